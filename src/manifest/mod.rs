//! Manifests as people keep them: puts the sidecar into every pod of a YAML or JSON stream, and
//! leaves every other byte as it was.
//!
//! Text is edited in place, at the positions that the parser gives. Each edited document is read
//! again and compared with what the patch makes of it, so that text which cannot be edited in
//! place ends as an error and never as half a patch.

mod edit;
mod print;
mod scalar;
mod split;
mod tree;
mod workload;

use crate::inject::{OnBadAnnotation, Outcome, Settings, inject};
use edit::Change;
use json_patch::Patch;
use serde_json::Value;
use std::{fmt, mem};
use tree::Node;

/// What became of a stream.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The stream, without the documents that are broken or denied.
    pub text: String,
    /// What was done, in the order of the stream.
    pub notes: Vec<Note>,
}

/// One line of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Line of the stream, from 1.
    pub line: usize,
    /// Kind and name, or `document N`.
    pub subject: String,
    /// What was done.
    pub done: Done,
}

/// What was done to a document, or to one pod of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The sidecar went in; with warnings.
    Injected(Vec<String>),
    /// No sidecar: the reason as a label, and for the owner.
    Skipped(&'static str, String),
    /// Wrong annotations; the document is left as it was.
    Refused(Vec<String>),
    /// Wrong annotations; the document is left out.
    Denied(Vec<String>),
    /// Holds no pod, and is left as it was.
    LeftAlone,
    /// Cannot be read, or not edited in place; left out.
    Broken(String),
}

impl Done {
    /// Whether the document is missing from the output.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        matches!(self, Done::Denied(_) | Done::Broken(_))
    }

    /// Whether somebody has to mend the document: it asks for what cannot be done, printed or not.
    #[must_use]
    pub fn is_finding(&self) -> bool {
        self.is_left_out() || matches!(self, Done::Refused(_))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: ", self.line, self.subject)?;
        match &self.done {
            Done::Injected(warnings) if warnings.is_empty() => f.write_str("injected"),
            Done::Injected(warnings) => write!(f, "injected; {}", warnings.join("; ")),
            Done::Skipped(reason, detail) => write!(f, "skipped, {reason}: {detail}"),
            Done::Refused(mistakes) => write!(f, "not injected: {}", mistakes.join("; ")),
            Done::Denied(mistakes) => write!(f, "denied and left out: {}", mistakes.join("; ")),
            Done::LeftAlone => f.write_str("holds no pod"),
            Done::Broken(why) => write!(f, "broken and left out: {why}"),
        }
    }
}

/// Puts the sidecar into every pod of `stream`, in which a document that is no UTF-8 is broken.
#[must_use]
pub fn rewrite(stream: &(impl AsRef<[u8]> + ?Sized), settings: &Settings) -> Rewritten {
    let (stream, strange) = read(stream.as_ref());
    let mut rewritten = Rewritten::default();
    let mut end = 0;
    // A marker that was left out with the document behind it, and still parts its neighbours.
    let mut owed = false;
    for (number, document) in split::documents(&stream).into_iter().enumerate() {
        let mut notes = Vec::new();
        let start = end;
        end += document.text.len();
        let strange = strange.iter().find(|at| (start..end).contains(at));
        let text = match (strange, document.broken) {
            (Some(at), _) => {
                let lines = stream[..*at].matches('\n').count();
                Err((lines + 1, "is no UTF-8".to_owned()))
            }
            (None, Some((line, why))) => Err((line, why)),
            (None, None) => one(document.text, document.line, settings, &mut notes),
        };
        match text {
            Ok(Some(text)) => {
                let marked = split::is_marked(&text);
                let apart = mem::take(&mut owed)
                    && !marked
                    && !rewritten.text.is_empty()
                    && split::end(&rewritten.text).is_none();
                if apart || marked {
                    end_line(&mut rewritten.text);
                }
                if apart {
                    rewritten.text.push_str("---\n");
                }
                rewritten.text.push_str(&text);
            }
            Ok(None) => {
                leave_out(document.text, &mut rewritten.text);
                owed |= split::is_marked(document.text);
            }
            Err((line, why)) => {
                leave_out(document.text, &mut rewritten.text);
                owed |= split::is_marked(document.text);
                notes.clear();
                notes.push(Note {
                    line,
                    subject: format!("document {}", number + 1),
                    done: Done::Broken(why),
                });
            }
        }
        rewritten.notes.append(&mut notes);
    }
    rewritten
}

/// The text of `bytes`, and where in it something stands for what is no UTF-8.
fn read(bytes: &[u8]) -> (String, Vec<usize>) {
    let (mut text, mut strange) = (String::new(), Vec::new());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            strange.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, strange)
}

/// Leaves `document` out of `text`, but for a marker at its end: without it, what stands before
/// and behind the document could be read as one.
fn leave_out(document: &str, text: &mut String) {
    if let Some(end) = split::end(document)
        && !text.is_empty()
        && split::end(text).is_none()
    {
        end_line(text);
        text.push_str(end);
    }
}

/// A marker counts at the start of a line only, and the end of a JSON value's line may have gone with
/// what was left out behind it.
fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// A line of the stream, and what is wrong there.
type Wrong = (usize, String);

/// The document with the sidecar in each of its pods; None when it is to be left out.
fn one(
    text: &str,
    first_line: usize,
    settings: &Settings,
    notes: &mut Vec<Note>,
) -> Result<Option<String>, Wrong> {
    let at = |line: usize| first_line + line - 1;
    let tree = tree::read(text).map_err(|(line, why)| (at(line), why))?;
    let Some(root) = tree.root else {
        return Ok(Some(text.to_owned()));
    };
    let before = root.value();
    let templates = workload::templates(&before);
    if templates.is_empty() {
        notes.push(Note {
            line: at(root.line),
            subject: workload::name(&before),
            done: Done::LeftAlone,
        });
        return Ok(Some(text.to_owned()));
    }
    if let Some((line, what)) = tree.anchor {
        return Err((
            at(line),
            format!(
                "{what} stands in for text elsewhere, which cannot be edited in place; write it out"
            ),
        ));
    }
    let mut after = before;
    let mut change = Change::default();
    let mut denied = false;
    for template in &templates {
        let (patch, done) = decide(&template.pod, settings);
        denied |= matches!(done, Done::Denied(_));
        let line = root.at(&template.path).map_or(root.line, |node| node.line);
        notes.push(Note {
            line: at(line),
            subject: template.name.clone(),
            done,
        });
        let patch = workload::under(&template.path, patch);
        let wrong = |why: String| (at(line), why);
        change
            .plan(text, &root, &patch)
            .map_err(|why| wrong(format!("cannot be edited in place: {why}")))?;
        json_patch::patch(&mut after, &patch).map_err(|error| wrong(error.to_string()))?;
    }
    if denied {
        // None of the others is printed either.
        for note in notes.iter_mut() {
            if !matches!(note.done, Done::Denied(_)) {
                note.done = Done::Denied(vec!["another pod of its document is".to_owned()]);
            }
        }
        return Ok(None);
    }
    let edited = change.apply(text);
    let again = tree::read(&edited).ok().and_then(|tree| tree.root);
    if again.as_ref().map(Node::value) != Some(after) {
        return Err((
            at(root.line),
            "is laid out in a way that cannot be edited in place; write it as plain `key: \
             value` lines or as JSON"
                .to_owned(),
        ));
    }
    Ok(Some(edited))
}

fn decide(pod: &Value, settings: &Settings) -> (Patch, Done) {
    match inject(pod, settings) {
        Outcome::Patched { patch, warnings } => (patch, Done::Injected(warnings)),
        Outcome::Skipped {
            reason,
            detail,
            patch,
        } => (patch, Done::Skipped(reason.as_label(), detail)),
        Outcome::Refused { mistakes, patch } => {
            let mistakes = mistakes.iter().map(ToString::to_string).collect();
            match settings.on_bad_annotation {
                OnBadAnnotation::Admit => (patch, Done::Refused(mistakes)),
                OnBadAnnotation::Deny => (Patch(Vec::new()), Done::Denied(mistakes)),
            }
        }
    }
}
