//! The corpus of every fuzz target, replayed without libFuzzer.

// It is a crate of its own for libFuzzer, so what it has is public.
#[allow(unreachable_pub)]
#[path = "src/lib.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(name)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: PathBuf| {
        path.file_stem()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let mut names: Vec<_> = paths.filter_map(name).collect();
    names.sort();
    names
}

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, _) in targets::ALL {
        let mut files = 0;
        for entry in fs::read_dir(folder("corpus").join(name)).expect("a corpus") {
            let path = entry.expect("an entry").path();
            println!("{}", path.display());
            targets::run(name, &fs::read(&path).expect("a file"));
            files += 1;
        }
        assert!(files > 0, "{name} has no corpus");
    }
}

#[test]
fn no_start_of_the_corpus_breaks_a_promise() {
    for (name, target) in targets::ALL {
        for entry in fs::read_dir(folder("corpus").join(name)).expect("a corpus") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
            let step = bytes.len() / 64 + 1;
            (0..bytes.len())
                .step_by(step)
                .for_each(|end| target(&bytes[..end]));
        }
    }
}

#[test]
fn every_target_is_fuzzed_and_has_a_corpus() {
    let mut all: Vec<_> = targets::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    all.sort();
    assert_eq!(names(&folder("corpus")), all);
    assert_eq!(names(&folder("fuzz_targets")), all);
}
