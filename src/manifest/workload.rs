//! Where pods are in the objects that hold them.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

/// How deep lists may stand in lists.
const DEPTH: usize = 8;

/// A pod, or the template of one.
#[derive(Debug)]
pub(super) struct Template {
    /// Keys and indexes that lead to it.
    pub(super) path: Vec<String>,
    /// `metadata` and `spec`.
    pub(super) pod: Value,
    /// Kind and name of what holds it.
    pub(super) name: String,
}

/// Every pod in `object`, in order.
pub(super) fn templates(object: &Value) -> Vec<Template> {
    let mut found = Vec::new();
    collect(object, ("", ""), &mut Vec::new(), DEPTH, &mut found);
    found
}

/// `listed` is the group and the kind of what stands in a list of one kind, whose items need not
/// name them.
fn collect(
    object: &Value,
    listed: (&str, &str),
    path: &mut Vec<String>,
    depth: usize,
    found: &mut Vec<Template>,
) {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let kind = text("kind").unwrap_or(listed.1);
    let api = text("apiVersion").unwrap_or(listed.0);
    if let Some(of) = kind.strip_suffix("List")
        && object.get("items").is_some()
        && depth > 0
    {
        for (index, item) in object["items"].as_array().into_iter().flatten().enumerate() {
            path.extend(["items".to_owned(), index.to_string()]);
            collect(item, (api, of), path, depth - 1, found);
            path.truncate(path.len() - 2);
        }
        return;
    }
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let below: &[&str] = match (group, kind) {
        ("", "Pod") => &[],
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => &["spec", "template"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template"],
        _ => return,
    };
    let template = below
        .iter()
        .try_fold(object, |at, key| at.get(key))
        .unwrap_or(&Value::Null);
    let path = path
        .iter()
        .map(String::as_str)
        .chain(below.iter().copied())
        .map(str::to_owned)
        .collect();
    found.push(Template {
        path,
        pod: template.clone(),
        name: subject(object, kind),
    });
}

/// Kind and name, for people.
pub(super) fn name(object: &Value) -> String {
    let kind = object.get("kind").and_then(Value::as_str);
    subject(object, kind.unwrap_or("object without a kind"))
}

fn subject(object: &Value, kind: &str) -> String {
    let metadata = object.get("metadata");
    let name = ["name", "generateName"]
        .iter()
        .find_map(|key| metadata?.get(key)?.as_str());
    match name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    }
}

/// `patch`, made for what stands at `path`, for the whole.
pub(super) fn under(path: &[String], mut patch: Patch) -> Patch {
    let base = PointerBuf::from_tokens(path.iter().map(|key| Token::new(key.as_str())));
    for operation in &mut patch.0 {
        let at = match operation {
            PatchOperation::Add(op) => &mut op.path,
            PatchOperation::Remove(op) => &mut op.path,
            PatchOperation::Replace(op) => &mut op.path,
            PatchOperation::Test(op) => &mut op.path,
            // None of ours moves or copies.
            PatchOperation::Move(op) => &mut op.path,
            PatchOperation::Copy(op) => &mut op.path,
        };
        let mut whole = base.clone();
        whole.append(&at);
        *at = whole;
    }
    patch
}
