//! The annotations that a pod's owner writes, read and checked all at once.

use super::pod::Pod;
use super::resources::is_enough;
use super::{Mistake, Redirect, is_image};
use serde_json::Value;

/// `enabled` or `disabled`; on a namespace, a pod's label or a pod's annotation.
pub const INJECT: &str = "flatline.dev/inject";
/// Written by Flatline: the version that was injected.
pub const INJECTED: &str = "flatline.dev/injected";
/// Written by Flatline: the reason why nothing was injected.
pub const SKIPPED: &str = "flatline.dev/skipped";

const PREFIX: &str = "flatline.dev/";
/// What Flatline may do about a flat model.
const ACTIONS: [&str; 3] = ["observe", "annotate", "eject"];
const KNOWN: [&str; 14] = [
    "inject",
    "injected",
    "skipped",
    "container",
    "port",
    "redirect",
    "image",
    "cpu-request",
    "cpu-limit",
    "memory-request",
    "memory-limit",
    "config",
    "log-level",
    "action",
];

/// What the owner asks for; `None` leaves it to the installation.
#[derive(Debug, Default)]
pub(super) struct Overrides<'a> {
    pub(super) opted_out: bool,
    pub(super) container: Option<&'a str>,
    pub(super) port: Option<u16>,
    pub(super) redirect: Option<Redirect>,
    pub(super) image: Option<&'a str>,
    /// `requests` or `limits`, `cpu` or `memory`, and the quantity.
    pub(super) resources: Vec<(&'static str, &'static str, &'a str)>,
    /// Name of a ConfigMap with a key `flatline.toml`.
    pub(super) config: Option<&'a str>,
    pub(super) log_level: Option<&'a str>,
    pub(super) action: Option<&'a str>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Overrides<'a> {
    pub(super) fn read(pod: &Pod<'a>) -> Result<Self, Vec<Mistake>> {
        let mut read = Reader {
            pod: *pod,
            mistakes: Vec::new(),
        };
        let inject = read.value(
            "inject",
            "enabled",
            "is neither `enabled` nor `disabled`",
            enabled,
        );
        let label = pod.label(INJECT).and_then(enabled);
        let names: Vec<_> = pod.running().map(|c| c.name()).collect();
        let container = read.value(
            "container",
            names.first().copied().unwrap_or("serving"),
            &format!(
                "is no container of this pod, which has {}",
                names.join(", ")
            ),
            |name| names.contains(&name).then_some(name),
        );
        let overrides = Overrides {
            // Either says so: a webhook is never asked about a pod with such a label.
            opted_out: inject == Some(false) || label == Some(false),
            container,
            port: read.value("port", "8500", "is no port from 1 to 65535", |text| {
                text.parse().ok().filter(|port| *port > 0)
            }),
            redirect: read.value(
                "redirect",
                "args",
                "is neither `args` nor `iptables`",
                |text| match text {
                    "args" => Some(Redirect::Args),
                    "iptables" => Some(Redirect::Iptables),
                    _ => None,
                },
            ),
            image: read.value("image", "flatline:0.1.0", "is no image reference", |text| {
                is_image(text).then_some(text)
            }),
            resources: read.resources(),
            config: read.value(
                "config",
                "flatline-digits",
                "is no ConfigMap's name",
                |text| is_object_name(text).then_some(text),
            ),
            log_level: read.value("log-level", "info", "is no log filter", |text| {
                is_log_filter(text).then_some(text)
            }),
            action: read.value(
                "action",
                "observe",
                "is none of `observe`, `annotate` and `eject`",
                |text| ACTIONS.contains(&text).then_some(text),
            ),
            warnings: without_effect(pod),
        };
        if overrides.action == Some("eject") && overrides.config.is_none() {
            // Flatline refuses to start so, and the model server would wait for it without end.
            read.mistakes.push(Mistake {
                annotation: format!("{PREFIX}action"),
                value: "eject".to_owned(),
                reason: "needs eject-peers or eject-budget, from the ConfigMap that \
                         flatline.dev/config names"
                    .to_owned(),
                example: "annotate".to_owned(),
            });
        }
        // What else a pod says that wants no sidecar does not matter.
        if read.mistakes.is_empty() || overrides.opted_out {
            Ok(overrides)
        } else {
            Err(read.mistakes)
        }
    }
}

struct Reader<'a> {
    pod: Pod<'a>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    fn value<T>(
        &mut self,
        key: &str,
        example: &str,
        reason: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<T> {
        let annotation = format!("{PREFIX}{key}");
        let value = self.pod.annotations?.get(&annotation)?;
        let parsed = value.as_str().and_then(|text| parse(text.trim()));
        if parsed.is_none() {
            self.mistakes.push(Mistake {
                annotation,
                value: value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
                // As an unquoted `8500` is, which the API server refuses.
                reason: match value {
                    Value::String(_) => reason.to_owned(),
                    Value::Bool(_) => {
                        "is no text, which YAML reads in `y` and `on` too; write it in quotes"
                            .to_owned()
                    }
                    _ => "is no text; write it in quotes".to_owned(),
                },
                example: example.to_owned(),
            });
        }
        parsed
    }

    fn resources(&mut self) -> Vec<(&'static str, &'static str, &'a str)> {
        let all = [
            ("cpu-request", "requests", "cpu", "50m"),
            ("cpu-limit", "limits", "cpu", "1"),
            ("memory-request", "requests", "memory", "64Mi"),
            ("memory-limit", "limits", "memory", "256Mi"),
        ];
        let mut found = Vec::new();
        for (key, bound, resource, example) in all {
            let reason = match (resource, bound) {
                ("cpu", _) => "is no quantity of processors in thousandths, 1m at least",
                (_, "limits") => "is no quantity of bytes, 32Mi at least",
                _ => "is no quantity of bytes, 1Mi at least",
            };
            let quantity = self.value(key, example, reason, |text| {
                is_enough(bound, resource, text).then_some(text)
            });
            found.extend(quantity.map(|text| (bound, resource, text)));
        }
        found
    }
}

fn enabled(text: &str) -> Option<bool> {
    match text {
        "enabled" | "true" => Some(true),
        "disabled" | "false" => Some(false),
        _ => None,
    }
}

/// Keys and a label's value of ours that mean nothing are most likely misspelt.
fn without_effect(pod: &Pod<'_>) -> Vec<String> {
    let keys = pod.annotations.into_iter().flat_map(|a| a.keys());
    keys.filter(|key| {
        key.strip_prefix(PREFIX)
            .is_some_and(|name| !KNOWN.contains(&name))
    })
    .map(|key| format!("annotation {key} is not known and has no effect"))
    .chain(pod.label(INJECT).filter(|value| enabled(value).is_none()).map(|value| {
        format!("label {INJECT}: `{value}` is neither `enabled` nor `disabled` and has no effect")
    }))
    .collect()
}

/// An RFC 1123 subdomain, as Kubernetes names its objects.
fn is_object_name(text: &str) -> bool {
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether it is levels, alone or behind a target, with commas between them: a word that is none would
/// be read as a target, and silence all else.
pub fn is_log_filter(text: &str) -> bool {
    let is_level =
        |level: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&level);
    text.split(',').all(|part| match part.split_once('=') {
        Some((target, level)) => {
            !target.is_empty()
                && target
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                && is_level(level)
        }
        None => is_level(part),
    })
}
