//! The status page: rendered here, kept fresh by a little script, complete without it.

mod spark;
mod tables;
mod verdict;

use crate::diagnose::accounts::Accounts;
use crate::observe::Snapshot;
use crate::report::{Report, Series, State};
use crate::upstream::Away;
use crate::visible::visible;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::LazyLock;

/// No outside resource, and no script or style but the page's own, named by their hashes.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page for one moment. Everything that came from the wire is escaped.
pub(super) fn render(snapshot: &Snapshot, accounts: &[Accounts], away: Option<&Away>) -> String {
    let Snapshot { report, traffic } = snapshot;
    let mut html = String::with_capacity(16 << 10);
    let (mut headline, mut state) = headline(report);
    if away.is_some() {
        headline.insert_str(0, "No connection to the model server. ");
        state = State::Firing;
    }
    let word = words(state);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{headline} - Flatline</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head><body><a class=\"skip\" href=\"#main\">To the verdicts</a><header><h1>Flatline</h1><p id=\"lead\" class=\"lead {word}\" role=\"status\">{headline}</p><p id=\"stale\" class=\"stale\" role=\"status\"></p></header><main id=\"main\" tabindex=\"-1\">"
    );
    if let Some(away) = away {
        self::away(&mut html, away);
    }
    let incidents = report.series.iter().filter(|s| s.state != State::Inactive);
    let mut incidents: Vec<_> = incidents.collect();
    incidents.sort_by_key(|series| tables::urgency(series));
    for series in incidents {
        verdict::series(&mut html, series);
    }
    verdict::findings(&mut html, &report.findings);
    tables::outputs(&mut html, report, traffic);
    tables::versions(&mut html, report, traffic);
    tables::accounts(&mut html, accounts);
    tables::transitions(&mut html, &report.transitions);
    observed(&mut html, report);
    let _ = write!(
        html,
        "</main><footer><nav aria-label=\"Raw data\"><a href=\"/api/v1/verdicts\">verdicts as JSON</a> <a href=\"/api/v1/verdicts/schema\">their schema</a> <a href=\"/metrics\">metrics</a></nav></footer><script>{SCRIPT}</script></body></html>"
    );
    html
}

/// How things stand in one sentence, and the worst state of all.
fn headline(report: &Report) -> (String, State) {
    let count = |state| {
        let used = report.series.iter().filter(|s| !s.idle);
        used.filter(|s| s.state == state).count()
    };
    let fires = report.series.iter().filter(|s| s.state == State::Firing);
    let ended = match fires.filter(|s| s.idle).count() {
        0 => String::new(),
        n => format!(", {n} flat when calls ended"),
    };
    let outputs = |n: usize| if n == 1 { "output" } else { "outputs" };
    let findings = match report.findings.len() {
        0 => String::new(),
        1 => ", 1 finding".to_owned(),
        n => format!(", {n} findings"),
    };
    let (words, state) = match (
        count(State::Firing),
        count(State::Pending),
        report.series.len(),
    ) {
        (_, _, 0) => ("No Predict call seen yet".to_owned(), State::Inactive),
        (0, 0, n) => (
            format!("{n} {} watched, none flat", outputs(n)),
            State::Inactive,
        ),
        (0, p, _) => (
            format!("{p} {} under suspicion", outputs(p)),
            State::Pending,
        ),
        (f, _, _) => (format!("{f} {} flat", outputs(f)), State::Firing),
    };
    (words + &ended + &findings, state)
}

/// Why calls are answered UNAVAILABLE. It stands until a call finds the upstream back.
fn away(html: &mut String, away: &Away) {
    let since = away.since.to_string();
    let _ = write!(
        html,
        "<section class=\"verdict firing\" aria-labelledby=\"away\"><h2 id=\"away\">No connection to the model server</h2><p class=\"facts\">upstream <code>{}</code>, since {}</p><ul><li>{}</li></ul><p>Calls are answered UNAVAILABLE; the next one tries again.</p></section>",
        escape(&away.upstream),
        moment(&since),
        escape(&away.reason)
    );
}

fn observed(html: &mut String, report: &Report) {
    let observed = &report.observed;
    let _ = write!(
        html,
        "<section aria-labelledby=\"seen\"><h2 id=\"seen\">What was seen</h2><p>{} calls, {} rows observed. As of <time datetime=\"{at}\">{}</time>.</p>",
        observed.calls,
        observed.rows,
        moment(&report.at),
        at = escape(&report.at)
    );
    if !observed.skipped.is_empty() {
        html.push_str("<p>Forwarded but not observed: ");
        let reasons = observed.skipped.iter();
        let reasons: Vec<_> = reasons
            .map(|(why, n)| format!("{} {n}", escape(&why.replace('_', " "))))
            .collect();
        let _ = write!(html, "{}.</p>", reasons.join(", "));
    }
    html.push_str("</section>");
}

/// State in words and colour, never in colour alone.
fn badge(state: State) -> String {
    let word = words(state);
    format!("<span class=\"badge {word}\">{word}</span>")
}

/// The state of a series, in no colour of alarm where its calls have ended.
fn standing(series: &Series) -> String {
    let word = words(series.state);
    match series.idle {
        true => format!("<span class=\"badge\">{word}, no calls</span>"),
        false => badge(series.state),
    }
}

/// The name that an enum has in JSON.
fn words(value: impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// RFC 3339 without fractions of a second, as people read it.
fn moment(at: &str) -> String {
    let whole = at.split_once('.').map_or(at, |(whole, _)| whole);
    let (day, time) = whole.split_once('T').unwrap_or((whole, ""));
    escape(&format!("{day} {} UTC", time.trim_end_matches('Z')))
}

fn list<'a>(html: &mut String, sentences: impl Iterator<Item = &'a String>) {
    let mut items = sentences.peekable();
    if items.peek().is_none() {
        return;
    }
    html.push_str("<ul>");
    for sentence in items {
        let _ = write!(html, "<li>{}</li>", escape(sentence));
    }
    html.push_str("</ul>");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
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
    use crate::analyzer::Traffic;
    use crate::diagnose::accounts::Account;
    use crate::report::{
        Baseline, Category, Cause, Finding, Kind, Observed, RowIs, RuledOut, Series, Transition,
        Window,
    };
    use jiff::Timestamp;

    /// A report in which every text is `text`.
    fn report(text: &str) -> Report {
        let text = || text.to_owned();
        let cause = Cause {
            rule: text(),
            category: Category::Training,
            weight: 1.0,
            certain: false,
            evidence: vec![text()],
            confirm: text(),
        };
        Report {
            schema: 1,
            at: text(),
            observed: Observed {
                skipped: [(text(), 1)].into(),
                ..Observed::default()
            },
            series: vec![Series {
                model: text(),
                version: 3,
                signature: text(),
                output: text(),
                state: State::Firing,
                kind: Some(Kind::NearConstant),
                since: Some(text()),
                confidence: 1.0,
                evidence: vec![text()],
                incident: None,
                baseline: Baseline::default(),
                last_row: Some(text()),
                idle: false,
                row_is: RowIs::Entry,
                window: Window::default(),
                causes: vec![cause],
                ruled_out: vec![RuledOut {
                    rule: text(),
                    why: text(),
                }],
            }],
            transitions: vec![Transition {
                at: text(),
                model: text(),
                version: 3,
                signature: text(),
                output: text(),
                from: State::Pending,
                to: State::Firing,
                kind: Some(Kind::NearConstant),
                rows: 1,
            }],
            findings: vec![Finding {
                rule: text(),
                model: text(),
                version: Some(3),
                category: Category::Loading,
                certain: true,
                evidence: vec![text()],
                confirm: text(),
            }],
        }
    }

    fn page(text: &str) -> String {
        let snapshot = Snapshot {
            report: report(text),
            traffic: Traffic::default(),
        };
        let account = Account::new("reply", Ok(text.to_owned()));
        let accounts = Accounts {
            model: text.to_owned(),
            all: std::array::from_fn(|_| account.clone()),
        };
        let away = Away {
            upstream: text.to_owned(),
            since: Timestamp::UNIX_EPOCH,
            reason: text.to_owned(),
        };
        render(&snapshot, &[accounts], Some(&away))
    }

    #[test]
    fn whatever_came_from_the_wire_is_text() {
        let html = page("<script>alert('1')</script>\"x");
        assert_eq!(html.matches("<script>").count(), 1, "only the page's own");
        assert_eq!(html.matches("alert('1')").count(), 0);
        assert!(html.matches("&lt;script&gt;alert(&#39;1&#39;)").count() >= 20);
        assert!(!html.contains("\"x"), "no quote is left open");
    }

    #[test]
    fn what_gets_no_calls_is_no_alarm() {
        let mut report = report("m");
        report.series[0].idle = true;
        report.series[0].last_row = Some("2026-01-02T03:04:05.678Z".to_owned());
        let snapshot = Snapshot {
            report,
            traffic: Traffic::default(),
        };
        let html = render(&snapshot, &[], None);
        assert!(html.contains("1 output watched, none flat, 1 flat when calls ended, 1 finding"));
        assert!(html.contains("class=\"lead inactive\""));
        assert!(html.contains("<span class=\"badge\">firing, no calls</span>"));
        assert!(html.contains("no row since 2026-01-02T03:04:05Z: this stands"));
        let changes = html.matches("badge firing\"").count();
        assert_eq!(changes, 1, "of the recent change alone");
    }

    #[test]
    fn the_headline_says_the_worst() {
        let html = page("m");
        assert!(html.contains("No connection to the model server. 1 output flat, 1 finding"));
        assert!(html.contains("<code>m</code>, since 1970-01-01 00:00:00 UTC"));
        assert!(html.contains("outputs differ by noise only"));
    }
}
