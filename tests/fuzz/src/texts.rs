//! What people and clusters write.

use flatline::config::{Address, Config, Raw};
use flatline::inject::{self, Outcome, Settings};
use flatline::report::Report;
use flatline::{explain, manifest, models_config};
use serde_json::Value;

/// A TOML file of `--config`: read or refused, with every mistake named.
pub(super) fn config(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data)
        .map_err(drop)
        .and_then(|text| Raw::from_toml(text).map_err(drop))
    else {
        return;
    };
    if let Err(error) = Config::check(&raw) {
        assert!(!error.to_string().is_empty());
    }
}

/// An address: what is read is written so that it is read again.
pub(super) fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

/// A model server's `models.config`.
pub(super) fn models_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = models_config::parse(text);
    }
}

/// Verdicts as JSON: what is read is explained, and written so that it is read again.
pub(super) fn verdicts(data: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(data) else {
        return;
    };
    assert!(!explain::report(&report).is_empty());
    let text = serde_json::to_string(&report).expect("a report is JSON");
    let again: Report = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(again, report);
}

/// A Pod: patched, skipped or refused; the patch fits, and a second pass changes nothing.
pub(super) fn inject(data: &[u8]) {
    let Ok(mut pod) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let settings = Settings::default();
    let (Outcome::Patched { patch, .. } | Outcome::Skipped { patch, .. }) =
        inject::inject(&pod, &settings)
    else {
        return;
    };
    json_patch::patch(&mut pod, &patch).expect("the patch fits the pod");
    match inject::inject(&pod, &settings) {
        Outcome::Skipped { patch, .. } => {
            assert!(patch.0.is_empty(), "a second pass changes nothing");
        }
        other => panic!("a second pass: {other:?}"),
    }
}

/// A stream of YAML documents: what is written is read again, and a second pass changes nothing.
pub(super) fn manifest(data: &[u8]) {
    let settings = Settings::default();
    let once = manifest::rewrite(data, &settings).text;
    let twice = manifest::rewrite(&once, &settings);
    assert_eq!(twice.text, once, "a second pass changes nothing");
}
