//! JSON values that follow one another: each is a document of its own.

use super::data;
use flatline::inject::Settings;
use flatline::manifest::rewrite;
use std::fs;

#[test]
fn json_values_may_follow_one_another() {
    let pod = fs::read_to_string(data("pods/bare.json")).unwrap();
    let broken = "{\"kind\": tru\n";
    let before = format!("{pod}\n{broken}{pod}");
    let after = rewrite(&before, &Settings::default());
    let one = rewrite(&pod, &Settings::default()).text;
    assert_eq!(after.text.matches("\"initContainers\"").count(), 2);
    assert_eq!(
        after.text.split_whitespace().collect::<String>(),
        format!("{one}{one}").split_whitespace().collect::<String>()
    );
    let note = after.notes[1].to_string();
    let line = pod.lines().count() + 2;
    assert!(
        note.starts_with(&format!("line {line}: document 2: broken")),
        "{note}"
    );
}

#[test]
fn json_values_keep_their_lines_beside_a_broken_one() {
    let (one, broken) = ("{\"kind\": \"A\"}\n", "{\"kind\": \"Pod\",,}\n");
    for stream in [[one, broken, one], [one, one, broken], [broken, one, one]] {
        let after = rewrite(&stream.concat(), &Settings::default());
        assert_eq!(after.text, [one, one].concat(), "{stream:?}");
    }
    let after = rewrite(&[broken, one, broken].concat(), &Settings::default());
    assert_eq!(after.text, one);
    // A collection of YAML goes on behind what looks like a value.
    let yaml = "{kind: A, of: [\n{\"b\": 1},\n{\"c\": 2}\n]}\n";
    assert_eq!(rewrite(yaml, &Settings::default()).text, yaml);
}

#[test]
fn what_ends_json_values_is_no_value() {
    for end in ["", "\n", "...\n", "# the end\n", "\n# the end\n...\n"] {
        let before = format!("{{\"kind\": \"A\"}}\n{{\"kind\": \"B\"}}\n{end}");
        let after = rewrite(&before, &Settings::default());
        assert_eq!(after.text, before);
        let said: Vec<String> = after.notes.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said.iter().all(|note| note.ends_with("holds no pod")),
            "{said:?}"
        );
    }
}

#[test]
fn a_marker_stays_where_its_document_is_left_out() {
    let objects = "{\"kind\": \"A\"}\n\n{\"kind\": \"B\"}\n";
    let before = format!("---\nb\n---\n{{broken\n{objects}");
    let once = rewrite(&before, &Settings::default()).text;
    assert_eq!(once, format!("---\nb\n---\n{objects}"));
    assert_eq!(rewrite(&once, &Settings::default()).text, once);
    // None is owed where a marker of its own or nothing at all stands there.
    let before = "--- {broken\n---\na: 1\n---\n{broken: \n---\nb: 1\n";
    let once = rewrite(before, &Settings::default()).text;
    assert_eq!(once, "---\na: 1\n---\nb: 1\n");
}
