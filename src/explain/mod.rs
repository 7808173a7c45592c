//! Verdicts in plain language.

mod next;

pub use next::next;

use crate::report::{Category, Cause, Finding, Incident, Kind, Report, RowIs, Series, State};
use crate::visible::line;

/// The whole report: every incident in full, every healthy output in a line.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut text = String::new();
    let observed = &report.observed;
    line(
        &mut text,
        format_args!("{} calls, {} rows observed", observed.calls, observed.rows),
    );
    for (reason, calls) in &observed.skipped {
        line(
            &mut text,
            format_args!("  {calls} calls not observed: {reason}"),
        );
    }
    if !report.findings.is_empty() {
        text.push_str("\nabout the deployment, whether an output is flat or not:\n");
    }
    for finding in &report.findings {
        text.push_str(&self::finding(finding));
    }
    for series in &report.series {
        text.push_str(&self::series(series));
    }
    text
}

/// One output: what happened, since when, the likely cause, what was ruled out, what to do next.
#[must_use]
pub fn series(series: &Series) -> String {
    let mut text = String::new();
    let w = &series.window;
    let name = format!(
        "{} version {}, signature {}, output {}",
        series.model, series.version, series.signature, series.output
    );
    let Some(trouble) = trouble(series) else {
        text.push('\n');
        line(
            &mut text,
            format_args!(
                "{name}: healthy ({} distinct inputs, {} distinct outputs in the last {} rows)",
                w.distinct_inputs, w.distinct_outputs, w.rows
            ),
        );
        return text;
    };
    text.push('\n');
    line(
        &mut text,
        format_args!("{name}: {} - {}", state(series), trouble),
    );
    if let Some(since) = &series.since {
        line(
            &mut text,
            format_args!("  since {since}, confidence {:.4}", series.confidence),
        );
    }
    for sentence in series
        .ended()
        .into_iter()
        .chain(series.incident.iter().flat_map(reach))
    {
        line(&mut text, format_args!("  {sentence}"));
    }
    for sentence in &series.evidence {
        line(&mut text, format_args!("  {sentence}"));
    }
    if series.row_is == RowIs::WholeReply {
        text.push_str("  the output does not follow the batch: each reply counts as one row\n");
    }
    let off = series.baseline.tests.iter().filter(|test| !test.on);
    for test in off {
        let why = test.why.as_deref().unwrap_or("it cannot be trusted here");
        line(
            &mut text,
            format_args!("  the test `{}` is off: {why}", test.test),
        );
    }
    line(
        &mut text,
        format_args!(
            "  in the window: {} rows, {} distinct inputs ({} as the model saw them), {} distinct outputs",
            w.rows, w.distinct_inputs, w.distinct_effective_inputs, w.distinct_outputs
        ),
    );
    if series.causes.is_empty() {
        text.push_str("  likely cause: unknown, nothing fits the evidence\n");
        line(
            &mut text,
            format_args!("  what to do next: {}", next::UNKNOWN),
        );
    }
    for cause in &series.causes {
        text.push_str(&self::cause(cause));
    }
    if !series.ruled_out.is_empty() {
        text.push_str("  ruled out:\n");
    }
    for out in &series.ruled_out {
        line(
            &mut text,
            format_args!("    {} {}: {}", out.rule, title(&out.rule), out.why),
        );
    }
    text
}

/// How far it reaches, in sentences.
fn reach(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(row) = incident.onset_row {
        let at = incident.onset.as_ref();
        let at = at.map_or_else(String::new, |at| format!(", answered at {at}"));
        lines.push(format!("it began at about row {row} of this output{at}"));
    }
    if let Some(share) = incident.share {
        lines.push(format!(
            "it affects {:.0} % of the rows with new inputs",
            100.0 * share
        ));
    }
    if let Some(segment) = &incident.segment {
        lines.push(format!("only where {segment}"));
    }
    if let Some(position) = &incident.batch_position {
        lines.push(format!("only in {position}"));
    }
    if let Some((affected, others)) = incident.latency_affected_ms.zip(incident.latency_others_ms) {
        lines.push(format!(
            "affected rows took {affected:.2} ms in the median, the others {others:.2} ms"
        ));
    }
    lines.push(format!(
        "that something is wrong is {}",
        incident.confidence
    ));
    lines
}

fn cause(cause: &Cause) -> String {
    let sure = if cause.certain { "proved" } else { "likely" };
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "  {sure} cause: {} {} ({}, weight {:.2})",
            cause.rule,
            title(&cause.rule),
            category(cause.category),
            cause.weight
        ),
    );
    for sentence in &cause.evidence {
        line(&mut text, format_args!("    {sentence}"));
    }
    line(&mut text, format_args!("    to confirm: {}", cause.confirm));
    line(
        &mut text,
        format_args!("    what to do next: {}", next(&cause.rule)),
    );
    text
}

fn finding(finding: &Finding) -> String {
    let sure = if finding.certain { "proved" } else { "likely" };
    let mut text = String::from("\n");
    line(
        &mut text,
        format_args!(
            "{}: {} {} ({}, {sure})",
            finding.model,
            finding.rule,
            title(&finding.rule),
            category(finding.category)
        ),
    );
    for sentence in &finding.evidence {
        line(&mut text, format_args!("  {sentence}"));
    }
    line(&mut text, format_args!("  to confirm: {}", finding.confirm));
    line(
        &mut text,
        format_args!("  what to do next: {}", next(&finding.rule)),
    );
    text
}

fn state(series: &Series) -> &'static str {
    match series.state {
        State::Firing if series.idle => "was flat",
        State::Inactive => "healthy",
        State::Pending => "under suspicion",
        State::Firing => "FLAT",
        State::Resolved => "recovered",
    }
}

/// The trouble of a series in words; `None` while it is healthy.
#[must_use]
pub fn trouble(series: &Series) -> Option<&'static str> {
    let kind = series.kind?;
    let cause = series.causes.first().map(|cause| cause.rule.as_str());
    Some(match (kind, cause) {
        (Kind::InputCollapse, Some("D2" | "D3" | "D4")) => {
            "requests differ and the model is fed one input; it is not to blame"
        }
        _ => what(kind),
    })
}

/// A kind of trouble in words.
fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Constant => "distinct inputs get one and the same output",
        Kind::NearConstant => "outputs differ by noise only",
        Kind::Top1Constant => "scores vary, the winning class never does",
        Kind::Partial => "a part of the traffic gets one and the same output",
        Kind::RowsEqual => "all rows of a reply are equal",
        Kind::NonFinite => "outputs hold NaN or infinity",
        Kind::CacheLike => "outputs repeat as if from a cache with too coarse a key",
        Kind::Stale => "replies are those of an older state",
        Kind::Lagged => "each reply belongs to an earlier request",
        Kind::Echo => "the output is one of the inputs",
        Kind::InputCollapse => "the client repeats one input; the model is not to blame",
    }
}

fn category(category: Category) -> &'static str {
    match category {
        Category::Loading => "model loading",
        Category::Signature => "signature or input",
        Category::Configuration => "version or serving configuration",
        Category::Caching => "caching",
        Category::Training => "model training",
        Category::Client => "the client",
        Category::Runtime => "a defect at run time",
    }
}

/// What a rule of the catalogue of causes stands for.
#[must_use]
pub fn title(rule: &str) -> &'static str {
    match rule {
        "D1" => "the client sends one buffer again and again",
        "D2" => "values in the wrong typed field, or too few of them",
        "D3" => "an input is left out and the exported default is used",
        "D4" => "feature names inside tf.Example changed",
        "D5" => "the graph does not read its input",
        "D6" => "the wrong tensor was exported as output",
        "D7" => "a control input has the wrong value",
        "D8" => "dropout or batch normalisation left in training mode",
        "D9" => "the inputs are preprocessed unlike in training",
        "D10" => "weights re-initialised at export",
        "D11" => "weights overwritten at load, or absent from the export",
        "D12" => "the version's folder was copied by half",
        "D13" => "a newer version failed to load, the old one was kept",
        "D14" => "another model under this name, or none",
        "D15" => "vocabulary or assets are missing",
        "D16" => "a version folder is skipped for its name",
        "D17" => "a pinned or stale version answers",
        "D18" => "the version's folder was overwritten in place",
        "D19" => "a response cache with a stale or bad key",
        "D20" => "training collapsed",
        "D21" => "NaN or infinity in the model",
        "D22" => "a device fault since another model was loaded",
        "D23" => "rows of a batch come out equal",
        "D24" => "healthy: few outputs are usual here",
        "D25" => "the same input gets different answers",
        _ => "a cause this version does not know",
    }
}
