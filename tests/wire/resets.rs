//! Streams that end before their time: resets from either side, early replies, cancels.

use super::peer::*;
use super::process::*;
use tokio::sync::mpsc;

const CANCEL: u32 = 8;

#[tokio::test]
async fn reset_codes_pass_early_and_late() {
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            let Event::Headers(list, _) = peer.event(stream).await else {
                continue;
            };
            let path = &list
                .iter()
                .find(|(name, _)| name == b":path")
                .expect("a path")
                .1;
            let path = String::from_utf8_lossy(path).into_owned();
            let code = path[path.len() - 2..].parse().expect("a code");
            if path.starts_with("/late") {
                peer.headers(stream, &head(), false).await;
                peer.data(stream, b"some", None, false).await;
            }
            peer.reset(stream, code).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for code in 0..=13 {
        for when in ["early", "late"] {
            let list = request(&format!("/{when}/{code:02}"), &[]);
            let stream = client.open(&list, false).await;
            let reply = client.reply(stream).await;
            assert_eq!(reply.reset, Some(code), "{when}: {reply:?}");
            assert_eq!(client.goaway, None);
        }
    }
}

#[tokio::test]
async fn a_whole_reply_before_the_upload_has_ended_arrives_whole() {
    let upstream = Upstream::start(&[], |mut peer, _| async move {
        while let Some(stream) = peer.accept().await {
            peer.headers(stream, &head(), false).await;
            peer.data(stream, b"no more, please", None, false).await;
            peer.headers(stream, &ok(), true).await;
            peer.reset(stream, 0).await;
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    for _ in 0..50 {
        let stream = client.open(&request("/any.Service/M", &[]), false).await;
        for _ in 0..5 {
            client.data(stream, &[0; 1000], None, false).await;
        }
        let reply = client.reply(stream).await;
        assert_eq!(reply.body, b"no more, please");
        assert_eq!((reply.status().as_deref(), reply.reset), (Some("0"), None));
        // And the client learns that it need not go on: not as an error.
        assert_eq!(client.event(stream).await, Event::Reset(0));
    }
}

#[tokio::test]
async fn a_cancel_reaches_the_upstream_wherever_the_call_is_stuck() {
    let (tell, mut told) = mpsc::unbounded_channel();
    // One stream at a time, and no window to upload into.
    let upstream = Upstream::start(&[(3, 1), (4, 0)], move |mut peer, _| {
        let tell = tell.clone();
        async move {
            while let Some(stream) = peer.accept().await {
                let Event::Headers(list, _) = peer.event(stream).await else {
                    continue;
                };
                let path = list
                    .into_iter()
                    .find(|(name, _)| name == b":path")
                    .expect("a path")
                    .1;
                let _ = tell.send(Ok(String::from_utf8(path).expect("text")));
                loop {
                    match peer.event(stream).await {
                        Event::Headers(..) | Event::Data(..) => {}
                        event => {
                            let _ = tell.send(Err(event));
                            break;
                        }
                    }
                }
            }
        }
    })
    .await;
    let proxy = Proxy::start(upstream.port);
    let mut client = proxy.client().await;
    let opened = |name: &str| Some(Ok(name.to_owned()));
    let first = client.open(&request("/first", &[]), false).await;
    client.body(first, &[1; 100_000], false).await;
    assert_eq!(told.recv().await, opened("/first"));
    // The second waits for the first, and is cancelled while it does.
    let second = client.open(&request("/second", &[]), false).await;
    client.body(second, &[2; 100_000], true).await;
    client.settle().await;
    client.reset(second, CANCEL).await;
    client.settle().await;
    client.reset(first, CANCEL).await;
    assert_eq!(told.recv().await, Some(Err(Event::Reset(CANCEL))));
    let third = client.open(&request("/third", &[]), true).await;
    // h2 may open what was cancelled while it waited, and cancels it in the same breath.
    let mut next = told.recv().await;
    if next == opened("/second") {
        assert_eq!(told.recv().await, Some(Err(Event::Reset(CANCEL))));
        next = told.recv().await;
    }
    assert_eq!(next, opened("/third"));
    client.reset(third, 2).await;
    assert_eq!(
        told.recv().await,
        Some(Err(Event::Reset(2))),
        "its own code"
    );
    // A client that is gone altogether cancels too.
    client.open(&request("/fourth", &[]), false).await;
    assert_eq!(told.recv().await, opened("/fourth"));
    drop(client);
    let gone = told.recv().await;
    assert!(
        matches!(gone, Some(Err(Event::Reset(CANCEL) | Event::Lost))),
        "{gone:?}"
    );
}
