use super::*;
use crate::saved_model::model_of;
use prost::Message;
use std::fs::{create_dir, create_dir_all, write};

/// Rules found in a file of that text, with line and column.
fn rules(text: &str) -> Vec<(&'static str, usize, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path, text).unwrap();
    let report = examine(&path).unwrap();
    let place = |at: Option<At>| at.map_or((0, 0), |at| (at.line, at.column));
    report
        .findings
        .iter()
        .map(|note| (note.rule, place(note.at).0, place(note.at).1))
        .collect()
}

/// A models.config of one model at `base`, with `more`.
fn config(base: &str, more: &str) -> String {
    format!(
        "model_config_list {{ config {{\nname: \"m\"\nbase_path: \"{base}\"\nmodel_platform: \"tensorflow\"\n{more}\n}} }}"
    )
}

fn versions(names: &[&str]) -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    for name in names {
        create_dir(base.path().join(name)).unwrap();
    }
    base
}

/// The same, with a graph in each.
fn whole(names: &[&str]) -> tempfile::TempDir {
    let base = versions(names);
    for name in names {
        write(base.path().join(name).join("saved_model.pb"), b"x").unwrap();
    }
    base
}

#[test]
fn a_sound_models_config_is_clean() {
    let base = whole(&["1", "2"]);
    let text = config(
        base.path().to_str().unwrap(),
        "model_version_policy { latest { num_versions: 2 } } version_labels { key: \"a\" value: 1 }",
    );
    assert_eq!(rules(&text), []);
    assert_eq!(rules(&config("s3://bucket/m", "")), []);
}

#[test]
fn what_people_write_is_found_where_it_stands() {
    let base = whole(&["1", "2"]);
    let base = base.path().to_str().unwrap();
    for (base, more, found) in [
        (base, "version_policy { all {} }", vec![("syntax", 5, 1)]),
        (
            base,
            "model_version_policy { specific { versions: 1 } }",
            vec![("pinned-version", 5, 35)],
        ),
        (
            base,
            "model_version_policy { specific { versions: 7 } }",
            vec![("pinned-version", 5, 35), ("version-absent", 5, 35)],
        ),
        (
            base,
            "version_labels { key: 'a' value: 9 }",
            vec![("label", 5, 1)],
        ),
        (
            base,
            "version_labels { key: 'a' value: 1 }",
            vec![("label", 5, 1)],
        ),
        (base, "\nlogging_config { }", vec![("logging-config", 6, 1)]),
        (
            base,
            "model_type: TENSORFLOW",
            vec![("model-platform", 4, 1)],
        ),
        ("models/m", "", vec![("base-path", 3, 1)]),
        ("/no/such/folder", "", vec![("base-path", 3, 1)]),
        ("", "", vec![("base-path", 3, 1)]),
    ] {
        assert_eq!(rules(&config(base, more)), found, "{base} {more}");
    }
    for (kind, rule) in [("TENSORFLOW", "model-type"), ("OTHER", "model-platform")] {
        let old = config(base, &format!("model_type: {kind}"));
        let old = old.replace("model_platform: \"tensorflow\"", "");
        assert_eq!(rules(&old)[0].0, rule, "{old}");
    }
    let twice = config(base, "} config { name: 'm' base_path: 's3://b/m'");
    assert_eq!(
        rules(&twice),
        [("name-twice", 5, 12), ("model-platform", 5, 3)]
    );
    assert_eq!(
        rules("custom_model_config { }"),
        [("custom-model-config", 1, 1)]
    );
    assert_eq!(rules("model_config_list { }"), [("no-model", 1, 1)]);
}

#[test]
fn a_skipped_folder_and_a_version_folder_as_base_path_are_told() {
    let base = whole(&["1", "v2"]);
    let text = config(base.path().to_str().unwrap(), "");
    assert_eq!(rules(&text), [("version-skipped", 3, 1)]);
    write(base.path().join("1/saved_model.pb"), b"").unwrap();
    let text = config(base.path().join("1").to_str().unwrap(), "");
    assert_eq!(rules(&text), [("base-path", 3, 1)]);
}

#[test]
fn other_forms_are_named() {
    let said = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, text).unwrap();
        examine(&path).unwrap().findings[0].message.clone()
    };
    assert!(said("model_config_list:\n  - config:\n      name: digits\n").contains("YAML"));
    assert!(said("models:\n- name: digits\n").contains("YAML"));
    assert!(said("{\"model_config_list\": []}").contains("JSON"));
    assert!(said("\u{1}\u{2}").contains("no models.config"));
}

#[test]
fn random_bytes_are_said_to_be_nothing_that_is_known() {
    let mut rng = fastrand::Rng::with_seed(3);
    let folder = tempfile::tempdir().unwrap();
    for length in [1, 2, 16, 1000, 100_000] {
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        for name in ["file", "saved_model.pb"] {
            let path = folder.path().join(name);
            write(&path, &bytes).unwrap();
            let report = examine(&path).unwrap();
            assert!(report.has(Level::Problem), "{length}");
        }
    }
}

#[test]
fn our_own_file_is_read_strictly() {
    assert_eq!(rules("listen = \"127.0.0.1:8500\"\n"), []);
    assert_eq!(rules("# ours\nlistne = 1\n"), [("configuration", 2, 1)]);
    assert_eq!(
        rules("queue = 7\n window = \"soon\"\n"),
        [("configuration", 2, 2)]
    );
    assert_eq!(rules("window = \n"), [("configuration", 1, 10)]);
    assert_eq!(rules("\u{feff}queue = 7\n"), []);
    assert_eq!(rules("# nothing but this\n\n"), [("empty-file", 0, 0)]);
}

#[test]
fn every_mistake_of_our_own_file_is_told_at_once() {
    let found = |text: &str| -> Vec<_> {
        let found = rules(text).into_iter();
        found.map(|(_, line, _)| line).collect()
    };
    let mixed = "queue = [1]\nwindow_rows = 7\nzebra = 1\nwindow = \"soon\"\nmax-series = -1\n";
    assert_eq!(found(mixed), [1, 2, 3, 4, 5]);
    // The key without its certificate is no second mistake: the certificate is misspelt.
    assert_eq!(found("tls_cert = \"a\"\ntls-key = \"b\"\n"), [1]);
    let bare = "listen = \"a:1\"\nupstream = 127.0.0.1:8510\nwindow = “60s”\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path, bare).unwrap();
    let examples: Vec<_> = examine(&path)
        .unwrap()
        .findings
        .into_iter()
        .map(|note| note.example)
        .collect();
    let right = ["upstream = \"127.0.0.1:8510\"", "window = \"60s\""];
    assert!(
        right
            .iter()
            .all(|right| examples.contains(&Some((*right).to_owned()))),
        "{examples:?}"
    );
    assert_eq!(found("queue = \n= 3\nwindow = \"60s\"\n"), [1, 2]);
    let many: String = (0..100).map(|i| format!("zebra{i} = 1\n")).collect();
    assert_eq!(found(&many).len(), 21, "and that there may be more");
    assert_eq!(found("windw = \"60s\"\nwindow = \"60\"\n"), [1, 2]);
    assert_eq!(rules("expect = \"digits=classes:10\"\n"), []);
}

#[test]
fn folders_of_versions() {
    let base = versions(&["1", "01", "v2", ".git"]);
    write(base.path().join("README"), b"x").unwrap();
    let found = |path: &Path| -> Vec<_> {
        let report = examine(path).unwrap();
        report.findings.iter().map(|note| note.rule).collect()
    };
    assert_eq!(
        found(base.path()),
        ["version-twice", "version-skipped", "incomplete"]
    );
    assert_eq!(found(versions(&[]).path()), ["no-version"]);
    // What lies beside the versions is no mistake, and no version either.
    let base = versions(&["lost+found", "scripts"]);
    assert_eq!(found(base.path()), ["no-version-folder", "no-version"]);
    assert_eq!(found(versions(&["1", "lost+found"]).path()), ["incomplete"]);
    assert_eq!(
        found(versions(&["temp-1712345"]).path())[..1],
        ["no-version-folder"]
    );
    let releases = versions(&["releases"]);
    std::fs::create_dir(releases.path().join("releases/5")).unwrap();
    assert_eq!(
        found(releases.path()),
        ["version-skipped"],
        "give that folder"
    );
    std::os::unix::fs::symlink("releases/5", releases.path().join("5")).unwrap();
    assert_eq!(found(releases.path()), ["no-version-folder", "incomplete"]);
    let version = base.path().join("7");
    create_dir_all(version.join("variables")).unwrap();
    write(version.join("saved_model.pb"), b"\x12\x7f").unwrap();
    write(version.join("variables/variables.index"), b"x").unwrap();
    assert_eq!(found(&version), ["incomplete", "unreadable", "unreadable"]);
    write(version.join("saved_model.pb"), b"").unwrap();
    assert_eq!(found(&version)[..1], ["incomplete"]);
}

/// A version whose graph has nodes of these kinds.
fn version_of(ops: &[&str]) -> tempfile::TempDir {
    let model = model_of(ops);
    let base = versions(&["1"]);
    write(base.path().join("1/saved_model.pb"), model.encode_to_vec()).unwrap();
    base
}

#[test]
fn variables_without_their_folder_are_missed_and_a_frozen_graph_has_none() {
    let found = |base: &tempfile::TempDir| -> Vec<_> {
        let notes = examine(base.path()).unwrap().findings;
        let words = notes.into_iter().map(|note| (note.rule, note.message));
        words.collect()
    };
    let base = version_of(&["Placeholder", "VarHandleOp", "RestoreV2"]);
    for folder in ["no folder", "an empty one"] {
        let [(rule, words)] = &found(&base)[..] else {
            panic!("{folder}: {:?}", found(&base));
        };
        assert_eq!(*rule, "incomplete", "{folder}");
        assert!(words.contains("\"varhandleop\" is one"), "{words}");
        create_dir_all(base.path().join("1/variables")).unwrap();
    }
    // Told of once.
    write(
        base.path()
            .join("1/variables/variables.data-00000-of-00001"),
        b"x",
    )
    .unwrap();
    assert_eq!(found(&base).len(), 1, "{:?}", found(&base));
    for ops in [
        &["Placeholder", "Const", "MatMul"][..],
        &["Placeholder", "RestoreV2"],
    ] {
        assert_eq!(found(&version_of(ops)), [], "{ops:?}");
    }
}

#[test]
fn an_index_of_other_bytes_is_said_to_be_none() {
    let base = version_of(&["VarHandleOp", "RestoreV2"]);
    let variables = base.path().join("1/variables");
    create_dir(&variables).unwrap();
    write(variables.join("variables.data-00000-of-00001"), b"x").unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(200).collect();
    let index = variables.join("variables.index");
    write(&index, &bytes).unwrap();
    let report = examine(base.path()).unwrap();
    let [note] = &report.findings[..] else {
        panic!("{:?}", report.findings);
    };
    assert_eq!((note.rule, &note.path), ("unreadable", &index));
    assert!(note.message.contains("is no table"), "{}", note.message);
    // One that ends as a table, and is not understood: nothing is guessed.
    bytes.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    write(&index, &bytes).unwrap();
    assert_eq!(examine(base.path()).unwrap().findings, []);
}

#[cfg(unix)]
#[test]
fn symbolic_links_in_a_circle_come_to_an_end() {
    use std::os::unix::fs::symlink;
    let base = tempfile::tempdir().unwrap();
    symlink(base.path().join("1"), base.path().join("1")).unwrap();
    symlink(base.path(), base.path().join("2")).unwrap();
    let report = examine(base.path()).unwrap();
    assert!(report.findings.iter().any(|note| note.rule == "unreadable"));
    assert!(examine(&base.path().join("1")).is_err());
    // As the only version of a models.config.
    let base = tempfile::tempdir().unwrap();
    symlink(base.path().join("1"), base.path().join("1")).unwrap();
    let text = config(base.path().to_str().unwrap(), "");
    assert_eq!(rules(&text), [("incomplete", 3, 1)]);
}

#[test]
fn parts_of_another_kind_are_told_and_not_waited_for() {
    let base = versions(&["1", "2", "3"]);
    let part = |version: &str, name: &str| base.path().join(version).join(name);
    // A pipe without a writer: whoever opens it waits.
    let pipe = part("1", "saved_model.pb");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    create_dir(part("2", "saved_model.pb")).unwrap();
    write(part("3", "saved_model.pb"), b"").unwrap();
    write(part("3", "variables"), b"x").unwrap();
    let report = examine(base.path()).unwrap();
    let told = |version: &str, words: &str| {
        let folder = base.path().join(version);
        let mut notes = report.findings.iter();
        assert!(
            notes
                .any(|note| Path::new(&note.path).starts_with(&folder)
                    && note.message.contains(words)),
            "{version} {words}: {:?}",
            report.findings
        );
    };
    told("1", "cannot be read: it is no file");
    told("2", "cannot be read: it is no file");
    told("3", "variables is no folder");
    // A file where the base folder is expected.
    assert!(examine(&part("3", "variables").join("1")).is_err());
}

/// The rules that speak of a graph with these operations, so many inputs and this output.
fn signed(ops: &[&str], inputs: usize, output: &str) -> Vec<(&'static str, String)> {
    use crate::proto::tensorflow::{TensorInfo, tensor_info::Encoding};
    let mut model = model_of(ops);
    let signatures = &mut model.meta_graphs[0].signature_def;
    let signature = signatures.values_mut().next().unwrap();
    let tensor = |name: &str| TensorInfo {
        encoding: Some(Encoding::Name(name.to_owned())),
        ..TensorInfo::default()
    };
    let given = (0..inputs).map(|i| (format!("x{i}"), tensor("placeholder:0")));
    signature.inputs = given.collect();
    signature.outputs = [("y".to_owned(), tensor(output))].into();
    let base = versions(&["1"]);
    write(base.path().join("1/saved_model.pb"), model.encode_to_vec()).unwrap();
    let found = examine(base.path()).unwrap().findings.into_iter();
    found.map(|note| (note.rule, note.message)).collect()
}

#[test]
fn a_signature_of_what_the_graph_does_not_have_is_told() {
    let found = signed(&["Placeholder", "MatMul"], 1, "dense:0");
    let missing: Vec<_> = found.iter().filter(|n| n.0 == "tensor-missing").collect();
    assert_eq!(missing.len(), 1, "{found:?}");
    assert!(missing[0].1.contains("node \"dense\""), "{found:?}");
}

#[test]
fn inputs_that_are_too_many_to_be_followed_are_told() {
    let mut ops = vec!["Const"; 9_999];
    ops.push("Placeholder");
    let of = |inputs| -> Vec<_> {
        let found = signed(&ops, inputs, "const:0").into_iter();
        found.map(|(rule, _)| rule).collect()
    };
    assert_eq!(of(1_000), ["output-ignores-inputs"]);
    assert_eq!(of(1_001), ["unread"]);
}

#[test]
fn what_is_not_there_is_an_error() {
    assert!(examine(Path::new("/no/such/path")).is_err());
    assert!(examine(Path::new("/dev/null")).is_err());
}

#[test]
fn a_lite_model_is_served_with_a_flag_only() {
    let base = versions(&["1"]);
    write(base.path().join("1/model.tflite"), b"x").unwrap();
    let report = examine(base.path()).unwrap();
    let found: Vec<_> = report.findings.iter().map(|note| note.rule).collect();
    assert_eq!((found, report.has(Level::Problem)), (vec!["lite"], false));
}
