//! The status page: rendered here, kept fresh by a little script, complete without it.

use crate::report::{Cause, Report, Series, State, Transition};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::LazyLock;

/// No outside resource, and no script or style but the page's own, named by their hashes.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Most transitions shown.
const TRANSITIONS: usize = 20;

/// The page for one report. Everything that came from the wire is escaped.
pub(super) fn render(report: &Report) -> String {
    let mut html = String::with_capacity(8192);
    let firing = report
        .series
        .iter()
        .filter(|s| s.state == State::Firing)
        .count();
    let pending = report
        .series
        .iter()
        .filter(|s| s.state == State::Pending)
        .count();
    let headline = match (firing, pending, report.series.len()) {
        (_, _, 0) => "No Predict call seen yet".to_owned(),
        (0, 0, n) => format!("{n} {} watched, none flat", plural(n, "output")),
        (0, p, _) => format!("{p} {} under suspicion", plural(p, "output")),
        (f, _, _) => format!("{f} {} flat", plural(f, "output")),
    };
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{headline} - Flatline</title><style>{STYLE}</style></head><body><header><h1>Flatline</h1><p class=\"lead {}\" role=\"status\">{headline}</p></header><main id=\"main\">",
        if firing > 0 {
            "firing"
        } else if pending > 0 {
            "pending"
        } else {
            "inactive"
        }
    );
    let observed = &report.observed;
    let _ = write!(
        html,
        "<p class=\"facts\">{} calls, {} rows observed. As of <time>{}</time>.</p>",
        observed.calls,
        observed.rows,
        escape(&report.at)
    );
    if !observed.skipped.is_empty() {
        let reasons: Vec<_> = observed
            .skipped
            .iter()
            .map(|(why, n)| format!("{} {n}", escape(why)))
            .collect();
        let _ = write!(
            html,
            "<p class=\"facts\">Forwarded but not observed: {}.</p>",
            reasons.join(", ")
        );
    }
    table(&mut html, report);
    for series in report.series.iter().filter(|s| s.state != State::Inactive) {
        verdict(&mut html, series);
    }
    transitions(&mut html, &report.transitions);
    let _ = write!(
        html,
        "</main><footer><a href=\"/api/v1/verdicts\">verdicts as JSON</a> <a href=\"/metrics\">metrics</a></footer><script>{SCRIPT}</script></body></html>"
    );
    html
}

fn table(html: &mut String, report: &Report) {
    if report.series.is_empty() {
        html.push_str(
            "<p>Calls to <code>PredictionService/Predict</code> show up here as they pass.</p>",
        );
        return;
    }
    html.push_str("<div class=\"wide\"><table><caption>Outputs in the sliding window</caption><thead><tr><th scope=\"col\">State</th><th scope=\"col\">Model</th><th scope=\"col\">Version</th><th scope=\"col\">Signature</th><th scope=\"col\">Output</th><th scope=\"col\">Rows</th><th scope=\"col\">Distinct in</th><th scope=\"col\">Distinct out</th><th scope=\"col\">Commonest</th></tr></thead><tbody>");
    for series in &report.series {
        let w = &series.window;
        let _ = write!(
            html,
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1} %</td></tr>",
            badge(series.state),
            escape(&series.model),
            series.version,
            escape(&series.signature),
            escape(&series.output),
            w.rows,
            w.distinct_inputs,
            w.distinct_outputs,
            100.0 * w.top_output_share
        );
    }
    html.push_str("</tbody></table></div>");
}

fn verdict(html: &mut String, series: &Series) {
    let kind = series
        .kind
        .map_or_else(String::new, |kind| words(kind).replace('_', " "));
    let _ = write!(
        html,
        "<section><h2>{} {} version {}: {kind}</h2><p class=\"facts\">output <code>{}</code>, since <time>{}</time>, confidence {:.4}</p>",
        badge(series.state),
        escape(&series.model),
        series.version,
        escape(&series.output),
        escape(series.since.as_deref().unwrap_or("-")),
        series.confidence
    );
    list(html, series.evidence.iter());
    html.push_str("<h3>Likely cause</h3>");
    if series.causes.is_empty() {
        html.push_str("<p>Unknown: no cause fits the evidence.</p>");
    }
    for cause in &series.causes {
        self::cause(html, cause);
    }
    if !series.ruled_out.is_empty() {
        html.push_str("<details><summary>Ruled out</summary><ul>");
        for out in &series.ruled_out {
            let _ = write!(
                html,
                "<li><b>{}</b> {}</li>",
                escape(&out.rule),
                escape(&out.why)
            );
        }
        html.push_str("</ul></details>");
    }
    html.push_str("</section>");
}

fn cause(html: &mut String, cause: &Cause) {
    let sure = if cause.certain { "proved" } else { "likely" };
    let _ = write!(
        html,
        "<p><b>{}</b> {} ({sure}, weight {:.2})</p>",
        escape(&cause.rule),
        escape(&words(cause.category)),
        cause.weight
    );
    list(html, cause.evidence.iter());
    let _ = write!(
        html,
        "<p>To confirm: <code class=\"copy\" tabindex=\"0\">{}</code></p>",
        escape(&cause.confirm)
    );
}

fn transitions(html: &mut String, transitions: &[Transition]) {
    if transitions.is_empty() {
        return;
    }
    html.push_str("<section><h2>Recent changes</h2><div class=\"wide\"><table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Model</th><th scope=\"col\">Output</th><th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">Kind</th><th scope=\"col\">Rows by then</th></tr></thead><tbody>");
    for t in transitions.iter().rev().take(TRANSITIONS) {
        let _ = write!(
            html,
            "<tr><td><time>{}</time></td><td>{} version {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&t.at),
            escape(&t.model),
            t.version,
            escape(&t.output),
            badge(t.from),
            badge(t.to),
            t.kind
                .map_or_else(String::new, |kind| words(kind).replace('_', " ")),
            t.rows
        );
    }
    html.push_str("</tbody></table></div></section>");
}

fn list<'a>(html: &mut String, sentences: impl Iterator<Item = &'a String>) {
    html.push_str("<ul>");
    for sentence in sentences {
        let _ = write!(html, "<li>{}</li>", escape(sentence));
    }
    html.push_str("</ul>");
}

/// State in words and colour, never in colour alone.
fn badge(state: State) -> String {
    let word = words(state);
    format!("<span class=\"badge {word}\">{word}</span>")
}

fn words(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Baseline, Category, Kind, Observed, RowIs, Window};

    fn report(model: &str) -> Report {
        Report {
            schema: 1,
            at: "2026-01-01T00:00:00Z".to_owned(),
            observed: Observed::default(),
            series: vec![Series {
                model: model.to_owned(),
                version: 3,
                signature: "serving_default".to_owned(),
                output: "scores".to_owned(),
                state: State::Firing,
                kind: Some(Kind::NearConstant),
                since: None,
                confidence: 1.0,
                evidence: vec![format!("seen {model}")],
                incident: None,
                baseline: Baseline::default(),
                row_is: RowIs::Entry,
                window: Window::default(),
                causes: vec![Cause {
                    rule: "D20".to_owned(),
                    category: Category::Training,
                    weight: 1.0,
                    certain: false,
                    evidence: vec![model.to_owned()],
                    confirm: format!("doctor '{model}'"),
                }],
                ruled_out: vec![],
            }],
            transitions: vec![],
            findings: vec![],
        }
    }

    #[test]
    fn names_from_the_wire_are_text() {
        let html = render(&report("<script>alert(1)</script>"));
        assert_eq!(html.matches("<script>").count(), 1, "only the page's own");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("1 output flat") && html.contains("near constant"));
    }
}
