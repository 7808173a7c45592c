//! Documents that cannot be read: named, left out, and nothing else is.

use super::manifest::{CONFIG_MAP, DEPLOYMENT, stream};
use flatline::inject::Settings;
use flatline::manifest::{Done, rewrite};

const BROKEN: &str = "---\nkind: Pod\nspec: {containers: [\n";
const TWICE: &str = "---\nkind: Pod\nmetadata:\n  name: a\n  name: b\n";
const ANCHOR: &str = "---\napiVersion: v1\nkind: Pod\nmetadata: &m {name: a}\nspec: {containers: [{name: a, image: b}]}\n";

#[test]
fn broken_documents_are_named_and_left_out() {
    let before = stream(&[CONFIG_MAP, BROKEN, TWICE, ANCHOR, DEPLOYMENT]);
    let after = rewrite(&before, &Settings::default());
    let good = rewrite(&stream(&[CONFIG_MAP, DEPLOYMENT]), &Settings::default());
    assert_eq!(after.text, good.text);
    let notes: Vec<String> = after.notes.iter().map(ToString::to_string).collect();
    for (note, parts) in notes[1..4].iter().zip([
        ["document 2: broken", "line 6", "unclosed"],
        ["document 3: broken", "line 11", "duplicate key `name`"],
        ["document 4: broken", "line 15", "an anchor"],
    ]) {
        assert!(parts.iter().all(|part| note.contains(part)), "{note}");
    }
}

#[test]
fn tabs_are_no_indentation() {
    // What kubectl says of each: 1.37, `kubectl label --local -f`.
    for (item, is_taken) in [
        ("  - name: s\n    image: tensorflow/serving\n", true),
        ("  -\tname: s\n    image: tensorflow/serving\n", false),
        ("  - \tname: s\n    image: tensorflow/serving\n", false),
        ("  -\t{name: s, image: tensorflow/serving}\n", false),
        (
            "  - name:\n     \ts\n    image: tensorflow/serving\n",
            false,
        ),
        (
            "  - name: s\n    image: tensorflow/serving\n\tfoo: 1\n",
            false,
        ),
        ("  - name:\ts\t\n    image:\ttensorflow/serving\n", true),
        ("  - {name: s, \timage:\ttensorflow/serving}\n", true),
        (
            "  - name: s\n    image: tensorflow/serving\nx: a\n \tb\n",
            true,
        ),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n{item}"
        );
        let after = rewrite(&text, &Settings::default());
        let note = after.notes[0].to_string();
        let taken = matches!(after.notes[0].done, Done::Injected(_));
        assert_eq!(taken, is_taken, "{item:?}: {note}");
        assert!(
            is_taken || note.contains(" a tab") && after.text.is_empty(),
            "{note}"
        );
    }
}

#[test]
fn what_a_document_left_out_stood_between_stays_apart() {
    let before = stream(&[CONFIG_MAP, BROKEN, "...\n", "kind: Service\n"]);
    let after = rewrite(&before, &Settings::default());
    assert_eq!(
        after.text,
        stream(&[CONFIG_MAP, "...\n", "kind: Service\n"])
    );
    assert_eq!(rewrite(&after.text, &Settings::default()).text, after.text);
    // At the start there is nothing to keep apart.
    let before = stream(&[BROKEN, "...\n", "kind: Service\n"]);
    let after = rewrite(&before, &Settings::default());
    assert_eq!(after.text, "kind: Service\n");
    // A marker counts at the start of a line only, and the line's end was left out.
    let (value, next) = ("{\"kind\": \"List\"}\n", "---\nkind: Service\n");
    let after = rewrite(&stream(&[value, "broken: [\n", next]), &Settings::default());
    assert_eq!(after.text, stream(&[value, next]));
    assert_eq!(rewrite(&after.text, &Settings::default()).text, after.text);
}
