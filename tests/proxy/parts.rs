//! A client, a server and the proxy between them.

use bytes::Bytes;
use flatline::app::{self, Running};
use flatline::config::{Address, Config, Raw};
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A path that the tap does not look at.
pub(super) const ECHO: &str = "http://models.example:8500/any.Service/Echo";
pub(super) const PREDICT: &str =
    "http://models.example:8500/tensorflow.serving.PredictionService/Predict";

/// An HTTP/2 server on a loopback port; aborted when dropped.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers every stream with `handle`.
    pub(super) async fn start<H, F>(handle: H) -> Server
    where
        H: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Server::start_with(0, h2::server::Builder::new(), handle).await
    }

    pub(super) async fn start_with<H, F>(
        port: u16,
        builder: h2::server::Builder,
        handle: H,
    ) -> Server
    where
        H: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            // Dropped with the server: every connection is cut at once.
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                counter.fetch_add(1, Ordering::SeqCst);
                let (builder, handle) = (builder.clone(), handle.clone());
                open.spawn(async move {
                    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(handle(request, respond));
                    }
                });
            }
        });
        Server {
            port,
            connections,
            task,
        }
    }
}

/// The proxy's configuration in front of `port`.
pub(super) fn config(port: u16) -> Config {
    let mut config = Config::check(&Raw::default()).expect("defaults are right");
    config.listen = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.admin = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.upstream = Address::Tcp("127.0.0.1".to_owned(), port);
    config
}

pub(super) async fn proxy(port: u16) -> Running {
    app::start(config(port)).await.expect("the proxy starts")
}

/// A client connection to the proxy.
pub(super) async fn connect(running: &Running) -> SendRequest<Bytes> {
    connect_to(&running.listen.to_string()).await
}

pub(super) async fn connect_to(address: &str) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address)
        .await
        .expect("the proxy listens");
    stream.set_nodelay(true).expect("no delay");
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(64 << 20)
        .max_header_list_size(1 << 20)
        .handshake(stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    client
}

/// Sends the headers of a call.
pub(super) async fn open(
    client: &SendRequest<Bytes>,
    uri: &str,
    end: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    let request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    client
        .clone()
        .ready()
        .await
        .expect("a connection")
        .send_request(request, end)
        .expect("a stream")
}

/// Sends a whole call and reads the whole reply: headers, body, trailers.
pub(super) async fn call(
    client: &SendRequest<Bytes>,
    uri: &str,
    body: Bytes,
) -> (Response<()>, Vec<u8>, HeaderMap) {
    let (response, stream) = open(client, uri, false).await;
    let (_, reply) = tokio::join!(write(stream, body), read(response));
    reply
}

/// Writes a body within the window and ends the stream.
pub(super) async fn write(mut stream: SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return;
        };
        let part = body.split_to(room.min(body.len()));
        if stream.send_data(part, false).is_err() {
            return;
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
}

pub(super) async fn read(response: ResponseFuture) -> (Response<()>, Vec<u8>, HeaderMap) {
    let (parts, mut body) = response.await.expect("headers").into_parts();
    let data = drain(&mut body).await;
    let trailers = body.trailers().await.expect("no reset").unwrap_or_default();
    (Response::from_parts(parts, ()), data, trailers)
}

/// Reads a body to its end, or to its reset.
pub(super) async fn drain(body: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    all
}

/// Answers with `body` and `grpc-status: 0`.
pub(super) async fn answer(mut respond: SendResponse<Bytes>, body: Bytes) {
    let mut head = Response::new(());
    head.headers_mut()
        .insert("content-type", "application/grpc".parse().expect("a value"));
    let Ok(mut stream) = respond.send_response(head, false) else {
        return;
    };
    let mut rest = body;
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return;
        };
        let part = rest.split_to(room.min(rest.len()));
        let _ = stream.send_data(part, false);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a value"));
    let _ = stream.send_trailers(trailers);
}

/// Reads the request and sends it back.
pub(super) async fn echo(request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    let mut body = request.into_body();
    let data = drain(&mut body).await;
    answer(respond, data.into()).await;
}
