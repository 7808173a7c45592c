//! Cancels, resets, upstreams that are away, and the end of the proxy itself.

use super::parts::*;
use bytes::Bytes;
use h2::Reason;
use http::Response;
use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

#[tokio::test]
async fn a_clients_reset_reaches_the_upstream_with_its_own_code() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Server::start(move |_request, mut respond| {
        let tell = tell.clone();
        async move {
            let _ = tell.send(None);
            // A connection that ends cancels its streams as a reset does.
            let reason = poll_fn(|cx| respond.poll_reset(cx))
                .await
                .unwrap_or(Reason::CANCEL);
            let _ = tell.send(Some(reason));
        }
    })
    .await;
    let running = proxy(server.port).await;
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
        for half_closed in [false, true] {
            let client = connect(&running).await;
            let (response, mut stream) = open(&client, ECHO, half_closed).await;
            assert_eq!(told.recv().await, Some(None));
            stream.send_reset(reason);
            assert_eq!(
                told.recv().await,
                Some(Some(reason)),
                "half closed: {half_closed}"
            );
            drop(response);
        }
    }
    // A client that goes away altogether cancels its calls.
    let client = connect(&running).await;
    let (response, stream) = open(&client, ECHO, false).await;
    assert_eq!(told.recv().await, Some(None));
    drop((response, stream, client));
    assert_eq!(told.recv().await, Some(Some(Reason::CANCEL)));
}

#[tokio::test]
async fn an_upstreams_reset_reaches_the_client_with_its_own_code() {
    let server = Server::start(|request, mut respond| async move {
        let code: u32 = request
            .uri()
            .query()
            .expect("a code")
            .parse()
            .expect("a number");
        if request.uri().path() == "/late" {
            let mut stream = respond
                .send_response(Response::new(()), false)
                .expect("headers");
            stream
                .send_data(Bytes::from_static(b"x"), false)
                .expect("data");
            // Behind the data, not instead of it.
            stream.reserve_capacity(1 << 20);
            tokio::task::yield_now().await;
            stream.send_reset(code.into());
        } else {
            respond.send_reset(code.into());
        }
    })
    .await;
    let running = proxy(server.port).await;
    for reason in [
        Reason::REFUSED_STREAM,
        Reason::ENHANCE_YOUR_CALM,
        Reason::CANCEL,
        Reason::INTERNAL_ERROR,
    ] {
        let client = connect(&running).await;
        let code = u32::from(reason);
        let (response, _stream) = open(&client, &format!("http://a/early?{code}"), false).await;
        assert_eq!(response.await.expect_err("a reset").reason(), Some(reason));
        let (response, _stream) = open(&client, &format!("http://a/late?{code}"), false).await;
        let found = match response.await {
            Err(error) => error,
            Ok(response) => {
                let mut body = response.into_body();
                loop {
                    match body.data().await.expect("a reset, not an end") {
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                }
            }
        };
        assert_eq!(found.reason(), Some(reason));
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_is_unavailable_at_once_and_comes_back() {
    let port = Server::start(echo).await.port;
    let running = proxy(port).await;
    let client = connect(&running).await;
    let (response, stream) = open(&client, ECHO, false).await;
    let response = response.await.expect("an answer");
    assert!(response.body().is_end_stream(), "Trailers-Only");
    assert_eq!(response.headers()["grpc-status"], "14");
    assert!(response.headers().contains_key("grpc-message"));
    drop(stream);
    let _server = Server::start_with(port, h2::server::Builder::new(), echo).await;
    let (_, body, _) = call(&client, ECHO, Bytes::from_static(b"first call after")).await;
    assert_eq!(body, b"first call after");
}

#[tokio::test]
async fn an_upstream_that_dies_in_a_reply_is_unavailable_not_internal() {
    let server = Server::start(|_request, mut respond| async move {
        let mut stream = respond
            .send_response(Response::new(()), false)
            .expect("headers");
        stream
            .send_data(Bytes::from_static(b"half"), false)
            .expect("data");
        std::future::pending::<()>().await;
    })
    .await;
    let port = server.port;
    let running = proxy(port).await;
    let client = connect(&running).await;
    let (response, _stream) = open(&client, ECHO, false).await;
    let mut body = response.await.expect("headers").into_body();
    assert_eq!(body.data().await.expect("data").expect("no reset"), "half");
    drop(server);
    assert!(body.data().await.is_none());
    let trailers = body.trailers().await.expect("no reset").expect("trailers");
    assert_eq!(trailers["grpc-status"], "14");
    // Killed and restarted: the next call works.
    let _again = Server::start_with(port, h2::server::Builder::new(), echo).await;
    assert_eq!(call(&client, ECHO, Bytes::from_static(b"x")).await.1, b"x");
}

#[tokio::test]
async fn a_gracious_goaway_costs_no_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Every connection says goodbye after five calls.
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                let mut served = 0;
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(echo(request, respond));
                    served += 1;
                    if served == 5 {
                        connection.graceful_shutdown();
                    }
                }
            });
        }
    });
    let running = proxy(port).await;
    let client = connect(&running).await;
    for n in 0..100_u8 {
        assert_eq!(
            call(&client, ECHO, Bytes::copy_from_slice(&[n])).await.1,
            [n]
        );
    }
}

#[tokio::test]
async fn calls_in_flight_finish_before_the_proxy_ends() {
    let (go, wait) = oneshot::channel::<()>();
    let wait = std::sync::Arc::new(tokio::sync::Mutex::new(Some(wait)));
    let server = Server::start(move |request, respond| {
        let wait = std::sync::Arc::clone(&wait);
        async move {
            let wait = wait.lock().await.take().expect("one call");
            let _ = wait.await;
            echo(request, respond).await;
        }
    })
    .await;
    let running = proxy(server.port).await;
    let address = running.listen.to_string();
    let client = connect(&running).await;
    let slow =
        tokio::spawn(async move { call(&client, ECHO, Bytes::from_static(b"slow")).await.1 });
    while server.connections.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let ending = tokio::spawn(running.shutdown());
    // New connections are refused while the call goes on.
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!ending.is_finished());
    go.send(()).expect("the call waits");
    assert_eq!(slow.await.expect("no failure"), b"slow");
    assert!(ending.await.expect("no panic"), "everything finished");
}

#[tokio::test]
async fn a_stuck_call_does_not_keep_the_proxy_for_ever() {
    let server = Server::start(|_request, respond| async move {
        let _respond = respond;
        std::future::pending::<()>().await;
    })
    .await;
    let mut config = config(server.port);
    config.drain_timeout = Duration::from_millis(50);
    let running = flatline::app::start(config)
        .await
        .expect("the proxy starts");
    let client = connect(&running).await;
    let (_response, _stream) = open(&client, ECHO, false).await;
    while server.connections.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!running.shutdown().await, "it was cut, and says so");
}

#[tokio::test]
async fn unix_sockets_work_on_both_sides() {
    let dir = tempfile::tempdir().expect("a folder");
    let listener = tokio::net::UnixListener::bind(dir.path().join("up")).expect("a socket");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(echo(request, respond));
        }
    });
    let mut config = config(0);
    config.upstream = format!("unix:{}", dir.path().join("up").display())
        .parse()
        .expect("an address");
    config.listen = format!("unix:{}", dir.path().join("down").display())
        .parse()
        .expect("an address");
    let _running = flatline::app::start(config)
        .await
        .expect("the proxy starts");
    let stream = tokio::net::UnixStream::connect(dir.path().join("down"))
        .await
        .expect("a connection");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    assert_eq!(
        call(&client, ECHO, Bytes::from_static(b"no port")).await.1,
        b"no port"
    );
}

#[tokio::test]
async fn a_proxy_that_would_call_itself_does_not_start() {
    let running = proxy(1).await;
    let mut config = config(1);
    let own = running.listen.to_string();
    running.shutdown().await;
    config.listen = own.parse().expect("an address");
    config.upstream = own.parse().expect("an address");
    let error = flatline::app::start(config)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("where Flatline itself listens"), "{error}");
}
