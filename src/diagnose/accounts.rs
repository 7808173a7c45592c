//! The five accounts of the version, each in words: what requests ask for, what replies name, the
//! server's status, the disk, models.config. Where they differ, one of them is the trouble.

use super::facts::{Asked, ModelTruth};
use super::findings::Answered;
use serde::Serialize;

/// What one of them says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// `request`, `reply`, `status`, `disk` or `models.config`.
    pub account: &'static str,
    /// Whether it is known at all.
    pub known: bool,
    /// In words.
    pub says: String,
}

impl Account {
    /// What is known, or why it is not.
    pub fn new(account: &'static str, says: Result<String, &str>) -> Self {
        Account {
            account,
            known: says.is_ok(),
            says: says.unwrap_or_else(|why| format!("unknown: {why}")),
        }
    }
}

/// The accounts of one model as a proxy in front of it hears them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// `model_spec.name`.
    pub model: String,
    /// All five, in the order above.
    pub all: [Account; 5],
}

impl Accounts {
    /// From the newest calls and what is known from outside of them.
    #[must_use]
    pub fn of(model: &str, answered: &Answered, truth: &ModelTruth) -> Self {
        let quiet = "no call was seen";
        Accounts {
            model: model.to_owned(),
            all: [
                Account::new("request", asked(answered).ok_or(quiet)),
                Account::new("reply", replied(answered).ok_or(quiet)),
                Account::new("status", status(truth).ok_or("the server was not heard")),
                Account::new("disk", disk(truth).ok_or("not read, or not this model's")),
                Account::new(
                    "models.config",
                    config(truth).ok_or("not read, or no entry"),
                ),
            ],
        }
    }
}

fn asked(answered: &Answered) -> Option<String> {
    let mut all = Asked::default();
    for replies in answered.versions.values() {
        all.latest += replies.asked.latest;
        for (version, calls) in &replies.asked.versions {
            *all.versions.entry(*version).or_insert(0) += calls;
        }
        for (label, calls) in &replies.asked.labels {
            *all.labels.entry(label.clone()).or_insert(0) += calls;
        }
    }
    let latest = (all.latest > 0).then(|| format!("the newest version, {} calls", all.latest));
    let numbers = all.versions.iter();
    let numbers = numbers.map(|(version, calls)| format!("version {version}, {calls} calls"));
    let labels = all.labels.iter();
    let labels = labels.map(|(label, calls)| format!("the label `{label}`, {calls} calls"));
    lines(latest.into_iter().chain(numbers).chain(labels))
}

fn replied(answered: &Answered) -> Option<String> {
    lines(answered.versions.iter().map(|(version, replies)| {
        let asked = &replies.asked;
        let named = asked.versions.values().chain(asked.labels.values());
        let calls = asked.latest + named.sum::<u64>();
        format!("version {version}, {calls} calls")
    }))
}

/// What `GetModelStatus` says; `None` if it is not known.
#[must_use]
pub fn status(truth: &ModelTruth) -> Option<String> {
    let versions = truth.status.as_ref()?.iter().map(|version| {
        let error = match version.code {
            0 => String::new(),
            code => format!(", error {code}: {}", version.message),
        };
        format!("version {} {}{error}", version.version, version.state)
    });
    Some(lines(versions).unwrap_or_else(|| "no version at all".to_owned()))
}

/// What lies in the model's folder; `None` if it is not known.
#[must_use]
pub fn disk(truth: &ModelTruth) -> Option<String> {
    let disk = truth.disk.as_ref()?;
    let mut says = format!("versions {:?} in {}", disk.versions, disk.base);
    if !disk.skipped.is_empty() {
        says.push_str(&format!("\nskipped: {}", disk.skipped.join(", ")));
    }
    if !disk.young.is_empty() {
        says.push_str(&format!(
            "\njust written, so that nothing is said of them yet: {:?}",
            disk.young
        ));
    }
    Some(says)
}

/// What models.config says; `None` if it is not known.
#[must_use]
pub fn config(truth: &ModelTruth) -> Option<String> {
    let entry = truth.config.as_ref()?;
    let mut says = if entry.pinned.is_empty() {
        "the newest or all versions".to_owned()
    } else {
        format!("only the versions {:?}", entry.pinned)
    };
    says.push_str(&format!(" of {}", entry.base_path));
    for (label, version) in &entry.labels {
        says.push_str(&format!("\nlabel `{label}` is version {version}"));
    }
    Some(says)
}

fn lines(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::findings::Replies;

    #[test]
    fn calls_are_counted_by_what_they_asked_and_by_what_answered() {
        let replies = |latest, pinned| Replies {
            asked: Asked {
                latest,
                versions: pinned,
                labels: [("stable".to_owned(), 1)].into(),
            },
            ..Replies::default()
        };
        let answered = Answered {
            versions: [
                (3, replies(5, [(3, 2)].into())),
                (4, replies(0, [(4, 7)].into())),
            ]
            .into(),
        };
        let accounts = Accounts::of("m", &answered, &ModelTruth::default());
        let says: Vec<&str> = accounts.all.iter().map(|a| a.says.as_str()).collect();
        assert_eq!(
            says[0],
            "the newest version, 5 calls\nversion 3, 2 calls\nversion 4, 7 calls\nthe label `stable`, 2 calls"
        );
        assert_eq!(says[1], "version 3, 8 calls\nversion 4, 8 calls");
        assert!(says[2..].iter().all(|says| says.starts_with("unknown: ")));
        let known: Vec<bool> = accounts.all.iter().map(|a| a.known).collect();
        assert_eq!(known, [true, true, false, false, false]);
    }
}
