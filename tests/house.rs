//! The house keeps its shape: imports never go up a rank, and files stay short.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by rank, as ARCHITECTURE.md lists them. A room may import its own rank and those below.
const RANKS: &[&[&str]] = &[
    &[
        "proto",
        "report",
        "skip",
        "visible",
        "codec",
        "fingerprint",
        "window",
        "detect",
        "diagnose",
        "alert",
        "analyzer",
    ],
    &[
        "config",
        "error",
        "telemetry",
        "models_config",
        "saved_model",
    ],
    &[
        "listen", "stack", "tap", "upstream", "respond", "drain", "observe", "truth", "net", "tls",
        "stream", "state", "sieve", "sync",
    ],
    &[
        "action", "admin", "replay", "inject", "manifest", "webhook", "demo", "lint", "doctor",
        "explain", "app",
    ],
    &["cli"],
];

fn rank(room: &str) -> usize {
    RANKS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("room `{room}` has no rank: add it to tests/house.rs"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("readable folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn imports_never_go_up_a_rank() {
    let mut wrong = Vec::new();
    for path in rust_files(&src()) {
        let relative = path.strip_prefix(src()).expect("under src");
        let first = relative
            .iter()
            .next()
            .expect("a component")
            .to_string_lossy();
        let room = first.trim_end_matches(".rs");
        if room == "lib" || room == "main" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("utf-8");
        for (number, line) in text.lines().enumerate() {
            let mut rest = line;
            while let Some(at) = rest.find("crate::") {
                rest = &rest[at + "crate::".len()..];
                let target: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if !target.is_empty() && rank(&target) > rank(room) {
                    wrong.push(format!("{}:{}: {line}", relative.display(), number + 1));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that go up a rank:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn files_are_at_most_400_lines() {
    let long: Vec<_> = rust_files(&src())
        .into_iter()
        .map(|path| {
            let lines = fs::read_to_string(&path).expect("utf-8").lines().count();
            (path, lines)
        })
        .filter(|(_, lines)| *lines > 400)
        .collect();
    assert!(
        long.is_empty(),
        "split these where the reader would: {long:?}"
    );
}
