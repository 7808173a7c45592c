//! The log: where its lines go, and how their fields are written where a person reads them.

use crate::visible::visible;
use std::fmt::Write;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::{FormatFields, MakeWriter};

/// Writes lines from now on by `writer`, which leads to stderr: coloured where a terminal is there.
pub(super) fn start<W>(filter: EnvFilter, json: bool, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .fmt_fields(fields())
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer);
    // A second subscriber in one process is refused, and the first goes on.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}

/// Fields of which none can end its line: names in them come from the wire.
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let field = debug_fn(|writer, field, value| {
        let mut text = String::new();
        write!(text, "{value:?}")?;
        match field.name() {
            "message" => write!(writer, "{}", visible(&text)),
            name => write!(writer, "{name}={}", visible(&text)),
        }
    });
    field.delimited(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_name_from_the_wire_forges_no_line() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields())
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let peer = "a\nb";
        let model = "m\" rows=9\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(model, rows = 7, %peer, "verdict\nchanged");
        });
        let text = String::from_utf8(lines.0.lock().expect("one thread").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line = text.trim_end();
        assert!(!line.contains(crate::visible::is_hidden), "{line}");
        let end = r#"verdict\nchanged model="m\" rows=9\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}" rows=7 peer=a\nb"#;
        assert!(line.ends_with(end), "{line}");
    }
}
