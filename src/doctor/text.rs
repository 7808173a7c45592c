//! An examination for people.

use super::{Examination, Probe};
use crate::explain;
use crate::visible::line;

/// The table of accounts, the signatures, what the probe saw, and the findings.
#[must_use]
pub fn text(found: &Examination) -> String {
    let mut text = String::new();
    line(
        &mut text,
        format_args!("model {} at {}", found.model, found.upstream),
    );
    text.push_str("\nversions\n");
    for account in &found.accounts {
        let mut lines = account.says.lines();
        let first = lines.next().unwrap_or_default();
        line(&mut text, format_args!("  {:<14}{first}", account.account));
        for more in lines {
            line(&mut text, format_args!("  {:<14}{more}", ""));
        }
    }
    for (name, signature) in &found.signatures {
        text.push('\n');
        line(&mut text, format_args!("signature {name}"));
        for (kind, tensors) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for (name, spec) in tensors {
                line(
                    &mut text,
                    format_args!("  {kind:<7} {name}: {} {}", spec.dtype, spec.shape()),
                );
            }
        }
    }
    if let Some(probe) = &found.probe {
        self::probe(&mut text, probe);
    }
    if found.findings.is_empty() {
        text.push_str(match &found.probe {
            Some(probe) if probe.stopped.is_some() => {
                "\nnothing found, as far as the probe could ask\n"
            }
            _ => "\nnothing found\n",
        });
    } else {
        text.push_str("\nfindings\n");
    }
    for finding in &found.findings {
        let sure = if finding.certain { "proved" } else { "likely" };
        let title = explain::title(&finding.rule);
        line(
            &mut text,
            format_args!("  {} {title} ({sure})", finding.rule),
        );
        for sentence in &finding.evidence {
            line(&mut text, format_args!("    {sentence}"));
        }
        line(
            &mut text,
            format_args!("    to confirm: {}", finding.confirm),
        );
    }
    text
}

fn probe(text: &mut String, probe: &Probe) {
    text.push('\n');
    line(text, format_args!("probe: {} calls", probe.calls));
    if let Some(why) = &probe.stopped {
        line(text, format_args!("  stopped: {why}"));
    }
    if !probe.left_out.is_empty() {
        let names = probe.left_out.join("`, `");
        line(
            text,
            format_args!("  not called: `{names}` (--signature calls one of them)"),
        );
    }
    let several = probe.signatures.len() > 1;
    for output in &probe.outputs {
        let of = several.then(|| format!(" of {}", output.signature));
        let repeats = match output.repeats {
            Some(true) => "repeats for the same input",
            Some(false) => "differs for the same input",
            None => "was not asked twice",
        };
        line(
            text,
            format_args!(
                "  output {}{}: {} distinct for {} inputs, {repeats}",
                output.output,
                of.unwrap_or_default(),
                output.distinct,
                output.inputs
            ),
        );
        if output.follows_batch == Some(false) {
            text.push_str("    does not follow a batch of several rows\n");
        }
        if output.non_finite > 0 {
            line(
                text,
                format_args!("    NaN or infinity in {} replies", output.non_finite),
            );
        }
    }
}
