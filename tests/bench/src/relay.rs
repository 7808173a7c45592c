//! The bare hyper relay: what a proxy costs that does nothing but forward.

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

pub async fn run(upstream: SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        tokio::spawn(serve(stream, upstream));
    }
}

async fn serve(stream: TcpStream, upstream: SocketAddr) {
    let to = TcpStream::connect(upstream).await.expect("the upstream");
    to.set_nodelay(true).expect("no delay");
    let (sender, connection) = client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(512 << 10)
        .initial_connection_window_size(64 << 20)
        .max_frame_size(64 << 10)
        .handshake::<_, Incoming>(TokioIo::new(to))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    let _ = server::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(512 << 10)
        .initial_connection_window_size(64 << 20)
        .max_frame_size(64 << 10)
        .max_concurrent_streams(10_000)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
