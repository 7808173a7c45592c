//! Commands to paste. Names come from the wire and from the disk: none may end its quotes.

/// The command that asks the running server, and with `--probe` tries it.
pub(super) fn doctor(upstream: &str, model: &str, probe: bool) -> String {
    let upstream = if upstream.is_empty() {
        "127.0.0.1:8500"
    } else {
        upstream
    };
    let probe = if probe { " --probe" } else { "" };
    format!(
        "flatline doctor --upstream {} --model {}{probe}",
        bare(upstream),
        quoted(model)
    )
}

/// A version's folder.
pub(super) fn path(base: &str, version: i64) -> String {
    if base.is_empty() {
        return format!("<model dir>/{version}");
    }
    quoted(&format!("{base}/{version}"))
}

/// Text inside single quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text as it stands where a shell takes it as one word, quoted otherwise.
fn bare(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:[]".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}
