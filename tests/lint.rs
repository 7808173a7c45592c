//! `flatline lint` as people call it: exit codes, text and JSON.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const BAD: &str = "model_config_list {\n  config {\n    name: \"m\"\n    base_path: \"s3://b/m\"\n    model_platform: \"tensorflow\"\n    version_policy { all {} }\n  }\n}\n";

fn lint(text: &[u8], flags: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("models.config");
    fs::write(&path, text).expect("write");
    run(&[&[path.to_str().expect("utf-8")], flags].concat())
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatline"))
        .arg("lint")
        .args(arguments)
        .output()
        .expect("runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("utf-8")
}

#[test]
fn a_mistake_is_told_with_its_place_and_ends_with_1() {
    let output = lint(BAD.as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("models.config:6:5: problem: "), "{said}");
    assert!(said.contains("model_version_policy"), "{said}");
}

#[test]
fn json_has_the_same() {
    let output = lint(BAD.as_bytes(), &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(report["what"], "models_config");
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&6.into(), &5.into())
    );
    assert_eq!(finding["rule"], "syntax");
}

#[test]
fn what_is_meant_so_can_be_allowed_and_warnings_denied() {
    let pinned = BAD.replace(
        "version_policy { all {} }",
        "model_version_policy { specific { versions: 1 } }",
    );
    assert_eq!(lint(pinned.as_bytes(), &[]).status.code(), Some(1));
    let allowed = lint(pinned.as_bytes(), &["--allow", "pinned-version"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed));
    let old = BAD
        .replace("version_policy { all {} }", "")
        .replace("model_platform: \"tensorflow\"", "model_type: TENSORFLOW");
    assert_eq!(lint(old.as_bytes(), &[]).status.code(), Some(0));
    assert_eq!(
        lint(old.as_bytes(), &["--deny-warnings"]).status.code(),
        Some(1)
    );
}

#[test]
fn what_cannot_be_read_ends_with_78_and_wrong_flags_with_64() {
    assert_eq!(run(&["/no/such/path"]).status.code(), Some(78));
    assert_eq!(run(&[]).status.code(), Some(64));
    assert_eq!(run(&["/tmp", "--format", "xml"]).status.code(), Some(64));
}

#[test]
fn a_huge_file_and_random_bytes_are_told_and_not_swallowed() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("models.config");
    fs::File::create(&path)
        .and_then(|file| file.set_len(100 << 20))
        .expect("file");
    let output = run(&[path.to_str().expect("utf-8")]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.contains("104857600 bytes"), "{said}");
    assert!(said.contains("read up to 4194304"), "{said}");
    assert!(!said.contains("no models.config"), "it may be one: {said}");
    let output = lint(&[0xde, 0xad, 0xbe, 0xef, 0], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("no models.config"),
        "{}",
        text(&output)
    );
}

/// Runs as somebody whom permissions bind: for root, they do not.
fn run_bound(folder: &Path, path: &Path) -> Output {
    let root = fs::metadata("/proc/self").expect("a process").uid() == 0;
    let mut binary = env!("CARGO_BIN_EXE_flatline").into();
    if root {
        // The build's own folder may be closed to others.
        let copy = folder.join("flatline");
        fs::copy(&binary, &copy).expect("a copy");
        binary = copy;
    }
    let mut command = Command::new(binary);
    command.arg("lint").arg(path).current_dir("/");
    if root {
        command.uid(65534).gid(65534);
    }
    command.output().expect("runs")
}

#[test]
fn folders_and_files_that_may_not_be_read_are_told_with_their_path() {
    let folder = tempfile::tempdir().expect("folder");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
    };
    mode(folder.path(), 0o755);
    let base = folder.path().join("m");
    let parts = ["1", "2/variables", "3"].map(|part| base.join(part));
    for part in &parts {
        fs::create_dir_all(part).expect("folders");
        mode(part, 0o755);
    }
    let graph = base.join("3/saved_model.pb");
    for file in [&base.join("2/saved_model.pb"), &graph] {
        fs::write(file, b"x").expect("a file");
    }
    let closed = [&base.join("1"), &base.join("2/variables"), &graph];
    for path in closed {
        mode(path, 0);
    }
    let output = run_bound(folder.path(), &base);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["m/1", "m/2", "m/3/saved_model.pb"] {
        let line = said.lines().find(|line| line.contains(&format!("{part}:")));
        let line = line.unwrap_or_else(|| panic!("{part}: {said}"));
        assert!(line.contains("cannot be read: Permission denied"), "{said}");
    }
    mode(&base, 0);
    let output = run_bound(folder.path(), &base);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("/m: cannot be read: Permission"), "{said}");
    // So that the folder can be removed by anybody.
    for path in [&base].into_iter().chain(closed) {
        mode(path, 0o755);
    }
}

#[test]
fn a_finding_goes_away_when_it_is_mended() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("models.config");
    let path_text = path.to_str().expect("utf-8");
    fs::write(&path, BAD).expect("write");
    assert_eq!(run(&[path_text]).status.code(), Some(1));
    let mended = BAD.replace("version_policy {", "model_version_policy {");
    fs::write(&path, mended).expect("write");
    let output = run(&[path_text]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
