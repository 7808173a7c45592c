//! Requests that are none.

use super::*;

#[tokio::test]
async fn requests() {
    let whole = END_HEADERS | END_STREAM;
    let sent = |list: Fields| script().headers(whole, 1, &list);
    let trailers = |list: &[(&str, &str)], flags| script().open(1).headers(flags, 1, &fields(list));
    let mut behind = fields(&[("a", "b")]);
    behind.extend(request(PATH, &[]));
    let length = |given: &str| {
        script().headers(END_HEADERS, 1, &request(PATH, &[("content-length", given)]))
    };
    check(vec![
        ("as it should be", sent(request(PATH, &[])), &[]),
        (
            "upper case",
            sent(changed("", &[("X-Upper", "1")])),
            &[PROTOCOL],
        ),
        (
            "unknown pseudo-header",
            sent(changed("", &[(":odd", "1")])),
            &[PROTOCOL],
        ),
        (
            "pseudo-header of a reply",
            sent(changed("", &[(":status", "200")])),
            &[PROTOCOL],
        ),
        ("pseudo-header behind others", sent(behind), &[PROTOCOL]),
        (
            "pseudo-header in trailers",
            trailers(&[("a", "b"), (":method", "POST")], whole),
            &[PROTOCOL],
        ),
        (
            "trailers without an end",
            trailers(&[("a", "b")], END_HEADERS),
            &[PROTOCOL],
        ),
        (
            "connection",
            sent(changed("", &[("connection", "close")])),
            &[PROTOCOL],
        ),
        (
            "keep-alive",
            sent(changed("", &[("keep-alive", "1")])),
            &[PROTOCOL],
        ),
        (
            "proxy-connection",
            sent(changed("", &[("proxy-connection", "close")])),
            &[PROTOCOL],
        ),
        (
            "transfer-encoding",
            sent(changed("", &[("transfer-encoding", "chunked")])),
            &[PROTOCOL],
        ),
        (
            "upgrade",
            sent(changed("", &[("upgrade", "h2c")])),
            &[PROTOCOL],
        ),
        (
            "te of gzip",
            sent(changed("te", &[("te", "gzip")])),
            &[PROTOCOL],
        ),
        ("no method", sent(changed(":method", &[])), &[PROTOCOL]),
        ("no scheme", sent(changed(":scheme", &[])), &[PROTOCOL]),
        ("no path", sent(changed(":path", &[])), &[PROTOCOL]),
        (
            "two methods",
            sent(changed("te", &[(":method", "POST")])),
            &[PROTOCOL],
        ),
        (
            "content-length too small",
            length("1").frame(DATA, END_STREAM, 1, b"xyz"),
            &[PROTOCOL],
        ),
        (
            "content-length too large",
            length("9").frame(DATA, END_STREAM, 1, b"xyz"),
            &[PROTOCOL],
        ),
        (
            "content-length over two frames",
            length("1")
                .frame(DATA, 0, 1, b"x")
                .frame(DATA, END_STREAM, 1, b"y"),
            &[PROTOCOL],
        ),
        (
            "content-length as it is",
            length("3").frame(DATA, END_STREAM, 1, b"xyz"),
            &[],
        ),
        (
            "more than may be at once",
            (0..3).fold(script(), |s, n| s.whole(1 + 2 * n)),
            &[],
        ),
        (
            "refused is no mistake",
            script()
                .open(1)
                .frame(RST_STREAM, 0, 1, &REFUSED.to_be_bytes()),
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_empty_path_is_refused() {
    let mut list = changed(":path", &[]);
    list.insert(2, (b":path".to_vec(), Vec::new()));
    let script = script().headers(END_HEADERS | END_STREAM, 1, &list);
    check(vec![("empty path", script, &[PROTOCOL])]).await;
}
