//! Neither end can tell that something is between them.

use super::parts::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

#[tokio::test]
async fn headers_and_trailers_pass_as_they_are_in_both_directions() {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let server = Server::start(move |request, mut respond| {
        let keep = Arc::clone(&keep);
        async move {
            let (parts, mut body) = request.into_parts();
            drain(&mut body).await;
            let trailers = body.trailers().await.expect("no reset");
            *keep.lock().expect("a lock") = Some((parts, trailers));
            let mut head = Response::new(());
            for (name, value) in [
                ("content-type", "application/grpc+proto"),
                ("a", "1"),
                ("a", "2"),
                ("data-bin", "AAEC"),
            ] {
                head.headers_mut()
                    .append(name, HeaderValue::from_static(value));
            }
            let mut stream = respond.send_response(head, false).expect("headers");
            stream
                .send_data(Bytes::from_static(b"\0\0\0\0\0"), false)
                .expect("data");
            let mut trailers = HeaderMap::new();
            for (name, value) in [
                ("grpc-status", "17"),
                ("grpc-message", "50%25 %C3%A9"),
                ("grpc-status-details-bin", "CAU"),
                ("b", "x"),
                ("b", "y"),
            ] {
                trailers.append(name, HeaderValue::from_static(value));
            }
            stream.send_trailers(trailers).expect("trailers");
        }
    })
    .await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let big = "v".repeat(32 << 10);
    let mut request = Request::builder()
        .method("POST")
        .uri("http://odd.example:1/a.B/C%20d?x=1&y=/");
    for (name, value) in [
        ("content-type", "application/grpc-web-but-odd"),
        ("te", "trailers"),
        ("grpc-timeout", "1234567u"),
        ("user-agent", "odd/1"),
        ("k-bin", "AAEC"),
        ("k", "2"),
        ("k", "1"),
        ("grpc-encoding", "snappy"),
        ("big", &big),
    ] {
        request = request.header(name, value);
    }
    let request = request.body(()).expect("a request");
    let sent = request.headers().clone();
    let mut handle = client.clone().ready().await.expect("a connection");
    let (response, mut stream) = handle.send_request(request, false).expect("a stream");
    stream
        .send_data(Bytes::from_static(b"abc"), false)
        .expect("data");
    let mut request_trailers = HeaderMap::new();
    request_trailers.insert("last", HeaderValue::from_static("word"));
    stream
        .send_trailers(request_trailers.clone())
        .expect("trailers");
    let (head, body, trailers) = read(response).await;

    let (parts, got_trailers) = seen.lock().expect("a lock").take().expect("a request");
    assert_eq!(parts.uri, "http://odd.example:1/a.B/C%20d?x=1&y=/");
    assert_eq!(
        (parts.method.as_str(), parts.version),
        ("POST", Version::HTTP_2)
    );
    assert_eq!(parts.headers, sent, "nothing added, nothing lost");
    assert_eq!(got_trailers, Some(request_trailers));
    let names: Vec<_> = head
        .headers()
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().expect("text")))
        .collect();
    assert_eq!(
        names,
        [
            ("content-type", "application/grpc+proto"),
            ("a", "1"),
            ("a", "2"),
            ("data-bin", "AAEC")
        ]
    );
    assert_eq!(body, b"\0\0\0\0\0");
    let names: Vec<_> = trailers
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().expect("text")))
        .collect();
    assert_eq!(
        names,
        [
            ("grpc-status", "17"),
            ("grpc-message", "50%25 %C3%A9"),
            ("grpc-status-details-bin", "CAU"),
            ("b", "x"),
            ("b", "y")
        ]
    );
}

#[tokio::test]
async fn trailers_only_and_plain_replies_stay_what_they_are() {
    let server = Server::start(|request, mut respond| async move {
        let mut head = Response::new(());
        match request.uri().path() {
            "/trailers-only" => {
                head.headers_mut()
                    .insert("grpc-status", HeaderValue::from_static("5"));
                respond.send_response(head, true).expect("headers");
            }
            "/plain" => {
                *head.status_mut() = http::StatusCode::IM_A_TEAPOT;
                let mut stream = respond.send_response(head, false).expect("headers");
                stream
                    .send_data(Bytes::from_static(b"short and stout"), true)
                    .expect("data");
            }
            _ => drop(respond.send_response(head, true)),
        }
    })
    .await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let (response, _stream) = open(&client, "http://a/trailers-only", true).await;
    let response = response.await.expect("headers");
    assert!(
        response.body().is_end_stream(),
        "the end of the stream stands on the headers"
    );
    assert_eq!(response.headers()["grpc-status"], "5");
    let (head, body, trailers) = call(&client, "http://a/plain", Bytes::new()).await;
    assert_eq!(
        (head.status().as_u16(), body.as_slice(), trailers.len()),
        (418, b"short and stout".as_slice(), 0)
    );
}

#[tokio::test]
async fn streams_pass_as_they_come_before_anybody_half_closes() {
    let server = Server::start(|request, mut respond| async move {
        let mut body = request.into_body();
        // Headers at once, then an answer to each message before the next is sent.
        let mut stream = respond
            .send_response(Response::new(()), false)
            .expect("headers");
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            stream.send_data(data, false).expect("data");
        }
        stream.send_trailers(HeaderMap::new()).expect("trailers");
    })
    .await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let (response, mut stream) = open(&client, ECHO, false).await;
    let mut reply = response
        .await
        .expect("headers, before the first message")
        .into_body();
    for n in 0..100_u8 {
        stream
            .send_data(Bytes::copy_from_slice(&[n; 3]), false)
            .expect("data");
        let mut got = Vec::new();
        while got.len() < 3 {
            let data = reply.data().await.expect("data").expect("no reset");
            let _ = reply.flow_control().release_capacity(data.len());
            got.extend_from_slice(&data);
        }
        assert_eq!(got, [n; 3]);
    }
    stream.send_data(Bytes::new(), true).expect("the end");
    assert!(reply.data().await.is_none());
}

#[tokio::test]
async fn one_byte_frames_and_large_bodies_arrive_byte_for_byte() {
    let server = Server::start(echo).await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let (response, mut stream) = open(&client, ECHO, false).await;
    let message: Vec<u8> = (0..3000_u32).map(|i| i as u8).collect();
    for byte in &message {
        stream
            .send_data(Bytes::copy_from_slice(&[*byte]), false)
            .expect("data");
        tokio::task::yield_now().await;
    }
    stream.send_data(Bytes::new(), true).expect("the end");
    assert_eq!(read(response).await.1, message);

    let large: Bytes = (0..64_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (_, body, _) = call(&client, ECHO, large.clone()).await;
    assert!(body == large, "64 MiB there and back");
}

#[tokio::test]
async fn an_early_reply_passes_while_the_client_still_sends() {
    let server = Server::start(|request, respond| async move {
        answer(respond, Bytes::from_static(b"no more")).await;
        drop(request);
    })
    .await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let (response, mut stream) = open(&client, ECHO, false).await;
    stream
        .send_data(Bytes::from_static(b"first of many"), false)
        .expect("data");
    let (_, body, trailers) = read(response).await;
    assert_eq!(
        (body.as_slice(), trailers["grpc-status"].as_bytes()),
        (b"no more".as_slice(), b"0".as_slice())
    );
}

#[tokio::test]
async fn a_slow_reader_stalls_its_own_stream_and_nobody_elses() {
    let (sent, mut progress) = mpsc::unbounded_channel();
    let server = Server::start(move |request, mut respond| {
        let sent = sent.clone();
        async move {
            if request.uri().path() != "/endless" {
                return echo(request, respond).await;
            }
            let mut stream = respond
                .send_response(Response::new(()), false)
                .expect("headers");
            loop {
                stream.reserve_capacity(16 << 10);
                let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await
                else {
                    return;
                };
                stream.send_data(vec![0; room].into(), false).expect("data");
                let _ = sent.send(room);
            }
        }
    })
    .await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let (response, _stream) = open(&client, "http://a/endless", true).await;
    let _unread = response.await.expect("headers");
    // It has stalled when a hundred calls beside it bring no more of it.
    let (mut total, mut quiet) = (0, 0);
    while quiet < 100 {
        let before = total;
        while let Ok(room) = progress.try_recv() {
            total += room;
        }
        call(&client, ECHO, Bytes::from_static(b"beside")).await;
        quiet = if total == before { quiet + 1 } else { 0 };
        assert!(
            total <= 4 << 20,
            "{total} bytes were taken for a client that reads nothing"
        );
    }
    assert!(total > 0);
}

#[tokio::test]
async fn more_streams_than_the_upstream_allows_wait_their_turn() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(10);
    let server = Server::start_with(0, builder, echo).await;
    let running = proxy(server.port).await;
    let client = connect(&running).await;
    let calls = (0..200_u8).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { call(&client, ECHO, Bytes::copy_from_slice(&[n])).await.1 })
    });
    for (n, body) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(body.await.expect("no call failed"), [n as u8]);
    }
    assert_eq!(
        server.connections.load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

#[tokio::test]
async fn every_client_connection_has_an_upstream_connection_of_its_own() {
    let server = Server::start(echo).await;
    let running = proxy(server.port).await;
    for n in 1..=3 {
        let client = connect(&running).await;
        call(&client, ECHO, Bytes::from_static(b"x")).await;
        call(&client, ECHO, Bytes::from_static(b"y")).await;
        assert_eq!(
            server.connections.load(std::sync::atomic::Ordering::SeqCst),
            n
        );
    }
}
