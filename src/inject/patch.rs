//! Builds the RFC 6902 patch.

use super::pod::Pod;
use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation,
};
use serde_json::{Map, Value};

/// Operations in the order in which they apply.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<PatchOperation>);

impl Edits {
    pub(super) fn add(&mut self, path: &[&str], value: Value) {
        let path = pointer(path);
        self.0
            .push(PatchOperation::Add(AddOperation { path, value }));
    }

    /// Replaces `old`, and fails where something else stands there by then.
    pub(super) fn replace(&mut self, path: &[&str], old: &Value, value: Value) {
        let (path, old) = (pointer(path), old.clone());
        let test = TestOperation {
            path: path.clone(),
            value: old,
        };
        self.0.push(PatchOperation::Test(test));
        let replace = ReplaceOperation { path, value };
        self.0.push(PatchOperation::Replace(replace));
    }

    /// Removes an annotation of `pod`, if it is there.
    pub(super) fn forget(&mut self, pod: &Pod<'_>, key: &str) {
        if pod.annotations.is_some_and(|a| a.contains_key(key)) {
            let path = pointer(&["metadata", "annotations", key]);
            self.0
                .push(PatchOperation::Remove(RemoveOperation { path }));
        }
    }

    /// Puts `items` at the front of the list at `spec.KEY`, which may not be there.
    pub(super) fn prepend(&mut self, pod: &Pod<'_>, key: &str, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        if pod.list(key).is_empty() {
            return self.add(&["spec", key], Value::Array(items));
        }
        for item in items.into_iter().rev() {
            self.add(&["spec", key, "0"], item);
        }
    }

    pub(super) fn annotate(&mut self, pod: &Pod<'_>, pairs: &[(&str, String)]) {
        if pairs.is_empty() {
            return;
        }
        let values = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::String(value.clone())));
        match (pod.metadata, pod.annotations) {
            (_, Some(annotations)) => {
                for (key, value) in values {
                    let path = ["metadata", "annotations", &key];
                    match annotations.get(&key) {
                        Some(old) => self.replace(&path, old, value),
                        None => self.add(&path, value),
                    }
                }
            }
            (Some(_), None) => {
                let annotations = values.collect::<Map<_, _>>();
                self.add(&["metadata", "annotations"], Value::Object(annotations));
            }
            (None, None) => {
                let annotations = Value::Object(values.collect());
                let metadata = Map::from_iter([("annotations".to_owned(), annotations)]);
                self.add(&["metadata"], Value::Object(metadata));
            }
        }
    }

    pub(super) fn finish(self) -> Patch {
        Patch(self.0)
    }
}

/// The pointer of these keys and indexes, escaped.
pub(super) fn pointer(path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().map(|key| Token::new(*key)))
}
