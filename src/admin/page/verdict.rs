//! A verdict in words, with evidence, causes, what was ruled out, and the command that confirms.

use super::{escape, list, moment, standing, words};
use crate::explain::{title, trouble};
use crate::report::{Cause, Finding, Series, State};
use std::fmt::Write;

/// One output that has something to say.
pub(super) fn series(html: &mut String, series: &Series) {
    let id = key(&[
        &series.model,
        &series.version.to_string(),
        &series.signature,
        &series.output,
    ]);
    let trouble = trouble(series).unwrap_or("nothing is named yet");
    let _ = write!(
        html,
        "<section class=\"verdict {}\" aria-labelledby=\"{id} {id}-of\"><h2 id=\"{id}\">{} {} version {}: {trouble}</h2><p class=\"facts\" id=\"{id}-of\">output <code>{}</code>, signature <code>{}</code>, {}since {}, confidence {:.4}</p>",
        if series.idle {
            String::new()
        } else {
            words(series.state)
        },
        standing(series),
        escape(&series.model),
        series.version,
        escape(&series.output),
        escape(&series.signature),
        if series.state == State::Resolved {
            "over "
        } else {
            ""
        },
        series
            .since
            .as_deref()
            .map_or_else(|| "-".to_owned(), moment),
        series.confidence
    );
    list(html, series.ended().iter());
    list(html, series.evidence.iter());
    reach(html, series);
    html.push_str("<h3>Likely cause</h3>");
    if series.causes.is_empty() {
        html.push_str("<p>Unknown: no cause fits the evidence.</p>");
    }
    for (at, cause) in series.causes.iter().enumerate() {
        self::cause(html, cause, &format!("{id}-{at}"));
    }
    if !series.ruled_out.is_empty() {
        let _ = write!(
            html,
            "<details data-key=\"{id}-out\"><summary data-key=\"{id}-sum\">Ruled out ({})</summary><ul>",
            series.ruled_out.len()
        );
        for out in &series.ruled_out {
            let _ = write!(
                html,
                "<li><b>{} {}</b>: {}</li>",
                escape(&out.rule),
                title(&out.rule),
                escape(&out.why)
            );
        }
        html.push_str("</ul></details>");
    }
    html.push_str("</section>");
}

/// What is wrong with the deployment, collapse or not.
pub(super) fn findings(html: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    html.push_str("<section class=\"verdict pending\" aria-labelledby=\"findings\"><h2 id=\"findings\">Findings about the deployment</h2>");
    for (at, finding) in findings.iter().enumerate() {
        let sure = sure(finding.certain);
        let _ = write!(
            html,
            "<h3>{}: {} {}</h3><p class=\"facts\">{sure}, category {}</p>",
            escape(&finding.model),
            escape(&finding.rule),
            title(&finding.rule),
            words(finding.category)
        );
        list(html, finding.evidence.iter());
        confirm(html, &finding.confirm, &format!("finding-{at}"));
    }
    html.push_str("</section>");
}

fn reach(html: &mut String, series: &Series) {
    let Some(incident) = &series.incident else {
        return;
    };
    let mut facts = Vec::new();
    if let Some(row) = incident.onset_row {
        let at = incident.onset.as_deref();
        let at = at.map_or_else(String::new, |at| format!(", {}", moment(at)));
        facts.push(format!("it began at about row {row}{at}"));
    }
    if let Some(share) = incident.share {
        facts.push(format!(
            "it affects {:.0} % of the rows with new inputs",
            100.0 * share
        ));
    }
    let said = incident.segment.iter().chain(&incident.batch_position);
    facts.extend(said.map(|words| format!("only {}", escape(words))));
    if !facts.is_empty() {
        let _ = write!(html, "<p>{}.</p>", facts.join("; "));
    }
}

fn cause(html: &mut String, cause: &Cause, id: &str) {
    let _ = write!(
        html,
        "<p class=\"cause\"><b>{} {}</b> ({}, category {}, weight {:.2})</p>",
        escape(&cause.rule),
        title(&cause.rule),
        sure(cause.certain),
        words(cause.category),
        cause.weight
    );
    list(html, cause.evidence.iter());
    confirm(html, &cause.confirm, id);
}

/// The script puts a button behind it that copies.
fn confirm(html: &mut String, command: &str, id: &str) {
    let _ = write!(
        html,
        "<p class=\"confirm\">To confirm: <code class=\"copy\" data-key=\"{id}-copy\">{}</code></p>",
        escape(command)
    );
}

fn sure(certain: bool) -> &'static str {
    if certain { "proved" } else { "likely" }
}

/// A name for the element of a series, the same in every rendering and safe in an attribute.
fn key(parts: &[&str]) -> String {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    format!("s{}", &hash.finalize().to_hex()[..12])
}
