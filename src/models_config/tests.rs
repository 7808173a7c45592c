use super::*;

const GOOD: &str = r#"# two models
model_config_list {
  config {
    name: "digits"
    base_path: "/models/digits"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: [ 5, 4 ] } }
    version_labels { key: "stable" value: 3 }
    version_labels: { key: 'canary', value: 5 };
  }
  config < name: "other" base_path: "/models/" "other" model_platform: "tensorflow" >
}
"#;

fn fails(text: &str, line: usize, column: usize, words: &str) {
    let mistake = parse(text).unwrap_err();
    assert_eq!(mistake.at, At { line, column }, "{mistake}");
    assert!(mistake.reason.contains(words), "{mistake}");
}

#[test]
fn reads_what_the_server_reads_and_knows_where_it_stands() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.models.len(), 2);
    let digits = config.model("digits").unwrap();
    assert_eq!(digits.policy, Policy::Specific(vec![3, 5, 4]));
    assert_eq!(digits.labels["canary"], 5);
    let at = |line, column| At { line, column };
    assert_eq!(digits.at(&[]), at(3, 3));
    assert_eq!(digits.at(&["base_path"]), at(5, 5));
    assert_eq!(digits.version_at(3), at(7, 39));
    assert_eq!(digits.version_at(4), at(7, 66));
    assert_eq!(digits.label_at("canary"), at(9, 5));
    let other = config.model("other").unwrap();
    assert_eq!(
        (other.base_path.as_str(), other.place.at.line),
        ("/models/other", 11)
    );
    assert_eq!(other.policy, Policy::Latest(1));
}

#[test]
fn entries_in_a_list_are_entries() {
    let text = "model_config_list: { config: [ { name: 'a' },\n { name: 'b' } ] }";
    let config = parse(text).unwrap();
    let lines: Vec<_> = config.models.iter().map(|m| m.place.at.line).collect();
    assert_eq!(lines, [1, 2]);
}

#[test]
fn an_empty_file_is_an_empty_configuration() {
    assert_eq!(parse("# nothing\n"), Ok(ModelsConfig::default()));
}

#[test]
fn a_field_of_another_name_is_told_its_own() {
    let text = "model_config_list {\n  config {\n    version_policy { all {} }\n  }\n}";
    fails(text, 3, 5, "model_version_policy");
    for name in ["config", "model_config"] {
        let text = format!("{name} {{ name: \"m\" }}");
        fails(&text, 1, 1, "the field is called `model_config_list`");
    }
    let text = "model_config_list { model_config { } }";
    fails(text, 1, 21, "the field is called `config`");
}

#[test]
fn both_ways_of_configuring_are_refused() {
    let text = "model_config_list {}\ncustom_model_config {}";
    fails(text, 2, 21, "already set");
}

#[test]
fn mistakes_have_a_place() {
    fails("model_config_list {\n  config {", 2, 11, "end of input");
    fails(
        "model_config_list { config { name: digits } }",
        1,
        36,
        "string",
    );
    fails("model_config_list {\n\u{e9}\n}", 2, 1, "");
    fails(
        "model_config_list { config { name: \"a\"\n name: \"b\" } }",
        2,
        8,
        "already set",
    );
}

#[test]
fn nesting_without_end_is_refused_before_it_is_followed() {
    let one = "custom_model_config { [type.googleapis.com/tensorflow.serving.ModelServerConfig] { ";
    fails(
        &one.repeat(20_000),
        1,
        1 + one.len() * 32 + 20,
        "in each other",
    );
}

#[test]
fn files_are_read_up_to_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.config");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let mistake = read(&path).unwrap_err();
    assert!(mistake.reason.contains("104857600 bytes"), "{mistake}");
    std::fs::write(&path, b"model_config_list {\n  \xff\xfe").unwrap();
    let mistake = read(&path).unwrap_err();
    assert_eq!(mistake.at, At { line: 2, column: 3 });
    assert!(read(&folder.path().join("absent")).is_err());
    fails("\u{feff}model_config_list { }", 1, 1, "byte order mark");
}
