//! Flatline's own TOML, through the same strict reading as `flatline serve --config`.

use super::Report;
use crate::config::{Config, Raw, with_what_was_meant};
use crate::models_config::At;
use std::path::Path;
use toml::de::DeTable;

pub(super) fn check(report: &mut Report, path: &Path, text: &str) {
    let raw = match Raw::from_toml(text) {
        Ok(raw) => raw,
        Err(error) => {
            let message = with_what_was_meant(error.message().trim());
            report.problem("configuration", path, message);
            let at = error
                .span()
                .map_or(At::START, |span| At::of(text, span.start));
            report.at(at, "");
            return;
        }
    };
    let Err(error) = Config::check(&raw) else {
        return;
    };
    // One line for each mistake, which begins with its key.
    let all = error.to_string();
    for line in all.lines().filter_map(|line| line.strip_prefix("  ")) {
        let key = line.split(':').next().unwrap_or_default();
        report.problem("configuration", path, line);
        report.at(place(text, key), "");
    }
}

fn place(text: &str, key: &str) -> At {
    let Ok(table) = DeTable::parse(text) else {
        return At::START;
    };
    let found = table
        .get_ref()
        .iter()
        .find(|(name, _)| name.get_ref() == key);
    found.map_or(At::START, |(name, _)| At::of(text, name.span().start))
}
