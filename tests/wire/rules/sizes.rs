//! Lengths, settings, windows and padding.

use super::*;

#[tokio::test]
async fn sizes_windows_and_padding() {
    let on_itself = |stream: u32| [&stream.to_be_bytes()[..], &[1]].concat();
    let window = 0x7fff_ffff_u32.to_be_bytes();
    let setting = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let mut on_itself_in_headers = script();
    let block = on_itself_in_headers.block(&request(PATH, &[]));
    let on_itself_in_headers = on_itself_in_headers.frame(
        HEADERS,
        END_HEADERS | END_STREAM | 0x20,
        1,
        &[on_itself(1), block].concat(),
    );
    check(vec![
        (
            "PRIORITY of 4",
            script().frame(PRIORITY, 0, 1, &[0; 4]),
            LENGTH,
        ),
        (
            "RST_STREAM of 3",
            script().open(1).frame(RST_STREAM, 0, 1, &[0; 3]),
            LENGTH,
        ),
        (
            "SETTINGS of 3",
            script().frame(SETTINGS, 0, 0, &[0; 3]),
            LENGTH,
        ),
        (
            "SETTINGS ack of 6",
            script().frame(SETTINGS, ACK, 0, &[0; 6]),
            LENGTH,
        ),
        ("PING of 6", script().frame(PING, 0, 0, &[0; 6]), LENGTH),
        (
            "WINDOW_UPDATE of 3",
            script().frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            LENGTH,
        ),
        (
            "ENABLE_PUSH of 2",
            script().frame(SETTINGS, 0, 0, &setting(2, 2)),
            &[PROTOCOL],
        ),
        (
            "INITIAL_WINDOW_SIZE too large",
            script().frame(SETTINGS, 0, 0, &setting(4, 1 << 31)),
            &[FLOW, PROTOCOL],
        ),
        (
            "MAX_FRAME_SIZE too small",
            script().frame(SETTINGS, 0, 0, &setting(5, 16_383)),
            &[PROTOCOL],
        ),
        (
            "MAX_FRAME_SIZE too large",
            script().frame(SETTINGS, 0, 0, &setting(5, 1 << 24)),
            &[PROTOCOL],
        ),
        (
            "unknown setting",
            script().frame(SETTINGS, 0, 0, &setting(0xff, 1)),
            &[],
        ),
        (
            "no window",
            script().frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            &[PROTOCOL],
        ),
        (
            "no window on a stream",
            script().open(1).frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
            &[PROTOCOL],
        ),
        (
            "window that overflows",
            script()
                .frame(WINDOW_UPDATE, 0, 0, &window)
                .frame(WINDOW_UPDATE, 0, 0, &window),
            &[FLOW],
        ),
        (
            "window of a stream that overflows",
            script().open(1).frame(WINDOW_UPDATE, 0, 1, &window).frame(
                WINDOW_UPDATE,
                0,
                1,
                &window,
            ),
            &[FLOW],
        ),
        (
            "setting that makes a window overflow",
            script()
                .open(1)
                .frame(
                    WINDOW_UPDATE,
                    0,
                    1,
                    &(0x7fff_ffff_u32 - 65_535).to_be_bytes(),
                )
                .frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)),
            &[FLOW],
        ),
        (
            "DATA padded beyond itself",
            script().open(1).frame(DATA, PADDED, 1, &[9, 0]),
            &[PROTOCOL],
        ),
        (
            "DATA padded without a size",
            script().open(1).frame(DATA, PADDED, 1, &[]),
            &[PROTOCOL, SIZE],
        ),
        (
            "HEADERS padded beyond itself",
            script().frame(HEADERS, PADDED | END_HEADERS, 1, &[9, 0x82]),
            &[PROTOCOL],
        ),
        (
            "HEADERS in pieces padded beyond itself",
            script().frame(HEADERS, PADDED, 1, &[9, 0x82]),
            &[PROTOCOL],
        ),
        (
            "PRIORITY on itself",
            script().open(1).frame(PRIORITY, 0, 1, &on_itself(1)),
            &[PROTOCOL],
        ),
        ("HEADERS on itself", on_itself_in_headers, &[PROTOCOL]),
    ])
    .await;
}
