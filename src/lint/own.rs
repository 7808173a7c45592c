//! Flatline's own TOML, through the same strict reading as `flatline serve --config`.

use super::Report;
use crate::config::{Config, Raw, with_what_was_meant};
use crate::models_config::At;
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, Deserializer, Error};

/// Keys that are wrong in themselves and told of one by one; of more the rest follows once these
/// are mended.
const MOST: usize = 20;

pub(super) fn check(report: &mut Report, path: &Path, text: &str) {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MOST) {
        wrong(report, path, text, error);
        let example = error.span().and_then(|span| with_quotes(text, span.start));
        if let Some(note) = report.findings.last_mut() {
            note.example = example;
        }
    }
    if !errors.is_empty() {
        return;
    }
    // Reading stops at the first key that is wrong: it is taken out, and the rest read again.
    let mut taken = Vec::new();
    let mut told = 0;
    let raw = loop {
        match Raw::deserialize(Deserializer::from(table.clone())) {
            Ok(raw) => break raw,
            Err(error) => {
                let message = wrong(report, path, text, &error);
                told += 1;
                let Some(key) = key_at(&table, &error) else {
                    return;
                };
                if told == MOST {
                    let more = format!("{MOST} mistakes are told; there may be more behind them");
                    report.warning("configuration", path, more);
                    return;
                }
                table.get_mut().remove(key.as_str());
                taken.push(key);
                let meant = message.strip_suffix("` meant?");
                taken.extend(meant.and_then(|m| m.rsplit('`').next()).map(str::to_owned));
            }
        }
    };
    let Err(error) = Config::check(&raw) else {
        return;
    };
    // One line for each mistake, which begins with its key.
    let all = error.to_string();
    let lines = all.lines().filter_map(|line| line.strip_prefix("  "));
    // What only misses a key that was taken out is mended along with it.
    let misses = |line: &&str| {
        let about = line.split_once(':').map_or("", |(_, about)| about);
        let (about, _) = about.split_once(" (example").unwrap_or((about, ""));
        taken.iter().any(|key| about.contains(key.as_str()))
    };
    for line in lines.filter(|line| !misses(line)) {
        let key = line.split(':').next().unwrap_or_default();
        report.problem("configuration", path, line);
        let named = table
            .get_ref()
            .iter()
            .find(|(name, _)| name.get_ref() == key);
        let place = named.map_or(At::START, |(name, _)| At::of(text, name.span().start));
        report.at(place, "");
    }
}

/// Tells of one mistake, and says in which words.
fn wrong(report: &mut Report, path: &Path, text: &str, error: &Error) -> String {
    let message = with_what_was_meant(error.message().trim());
    report.problem("configuration", path, message.as_str());
    let at = error
        .span()
        .map_or(At::START, |span| At::of(text, span.start));
    report.at(at, "");
    message
}

/// The line as it is right where only the quotes around its text are missing, or are others.
fn with_quotes(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let (key, value) = text.get(before..)?.lines().next()?.split_once('=')?;
    let value = value.trim();
    let others = ['“', '”', '‘', '’', '„'];
    let plain = !value.is_empty() && !value.contains(['"', '\'', '[', '{', '#', '=']);
    let value = value.trim_matches(others);
    plain.then(|| format!("{} = \"{value}\"", key.trim()))
}

/// The key that a mistake is in, or in whose value.
fn key_at(table: &Spanned<DeTable<'_>>, error: &Error) -> Option<String> {
    let at = error.span()?.start;
    let mut entries = table.get_ref().iter();
    let (name, _) =
        entries.find(|(name, value)| (name.span().start..value.span().end).contains(&at))?;
    Some(name.get_ref().to_string())
}
