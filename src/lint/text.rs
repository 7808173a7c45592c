//! A report for people.

use super::{Level, Report, What};
use std::fmt::Write;

/// The report as text, one line a finding, and what follows from it.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let what = match report.what {
        What::ModelsConfig => "a models.config",
        What::BaseFolder => "a model's base folder",
        What::VersionFolder => "a version of a SavedModel",
        What::FlatlineToml => "a Flatline configuration",
        What::TooLarge => "a file too large to be looked into",
        What::Unknown => "nothing that Flatline knows",
    };
    writeln!(out, "{}: {what}", report.path.display())?;
    for signature in &report.signatures {
        let path = signature.path.display();
        writeln!(out, "{path}: signature {}", signature.name)?;
        for (kind, tensors) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for tensor in tensors {
                writeln!(out, "  {kind} {}: {}", tensor.name, tensor.tensor)?;
            }
        }
    }
    for note in &report.findings {
        let level = match note.level {
            Level::Problem => "problem",
            Level::Warning => "warning",
        };
        let at = note.at.map_or(String::new(), |at| format!(":{at}"));
        let path = note.path.display();
        writeln!(out, "{path}{at}: {level}: {} [{}]", note.message, note.rule)?;
        if let Some(example) = &note.example {
            writeln!(out, "  example: {example}")?;
        }
    }
    let count = |level| {
        report
            .findings
            .iter()
            .filter(|note| note.level == level)
            .count()
    };
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    match (problems, warnings) {
        (0, 0) => writeln!(out, "nothing found"),
        _ => writeln!(out, "{problems} problem(s), {warnings} warning(s)"),
    }
}
