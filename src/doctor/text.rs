//! An examination for people.

use super::{Examination, Probe};
use crate::explain;
use std::fmt::Write;

/// The table of accounts, the signatures, what the probe saw, and the findings.
#[must_use]
pub fn text(found: &Examination) -> String {
    let mut text = format!("model {} at {}\n\nversions\n", found.model, found.upstream);
    for account in &found.accounts {
        let mut lines = account.says.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(text, "  {:<14}{first}", account.account);
        for line in lines {
            let _ = writeln!(text, "  {:<14}{line}", "");
        }
    }
    for (name, signature) in &found.signatures {
        let _ = writeln!(text, "\nsignature {name}");
        for (kind, tensors) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for (name, spec) in tensors {
                let _ = writeln!(text, "  {kind:<7} {name}: {} {}", spec.dtype, spec.shape());
            }
        }
    }
    if let Some(probe) = &found.probe {
        self::probe(&mut text, probe);
    }
    if found.findings.is_empty() {
        text.push_str("\nnothing found\n");
    } else {
        text.push_str("\nfindings\n");
    }
    for finding in &found.findings {
        let sure = if finding.certain { "proved" } else { "likely" };
        let title = explain::title(&finding.rule);
        let _ = writeln!(text, "  {} {title} ({sure})", finding.rule);
        for line in &finding.evidence {
            let _ = writeln!(text, "    {line}");
        }
        let _ = writeln!(text, "    to confirm: {}", finding.confirm);
    }
    text
}

fn probe(text: &mut String, probe: &Probe) {
    let _ = writeln!(text, "\nprobe: {} calls", probe.calls);
    if let Some(why) = &probe.stopped {
        let _ = writeln!(text, "  stopped: {why}");
    }
    for output in &probe.outputs {
        let repeats = match output.repeats {
            Some(true) => "repeats for the same input",
            Some(false) => "differs for the same input",
            None => "was not asked twice",
        };
        let _ = writeln!(
            text,
            "  output {}: {} distinct for {} inputs, {repeats}",
            output.output, output.distinct, output.inputs
        );
        if output.follows_batch == Some(false) {
            text.push_str("    does not follow a batch of several rows\n");
        }
        if output.non_finite > 0 {
            let _ = writeln!(text, "    NaN or infinity in {} replies", output.non_finite);
        }
    }
}
