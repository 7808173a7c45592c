//! How the fields of a log line are written where a person reads it.

use crate::visible::visible;
use std::fmt::Write;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// Fields of which none can end its line: names in them come from the wire.
pub(super) fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
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
