//! The tables of the page: outputs, versions, recent changes.

use super::{badge, escape, moment, spark, standing, words};
use crate::analyzer::Traffic;
use crate::diagnose::accounts::Accounts;
use crate::report::{Report, Series, State, Transition};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most transitions shown.
const TRANSITIONS: usize = 20;
/// Most series shown; the JSON has all of them.
const SERIES: usize = 256;

/// The worse, the less.
pub(super) fn urgency(series: &Series) -> (bool, u8) {
    let state = match series.state {
        State::Firing => 0,
        State::Pending => 1,
        State::Resolved => 2,
        State::Inactive => 3,
    };
    (series.idle, state)
}

/// One line for each output.
pub(super) fn outputs(html: &mut String, report: &Report, traffic: &Traffic) {
    if report.series.is_empty() {
        html.push_str(
            "<p>Calls to <code>PredictionService/Predict</code> show up here as they pass.</p>",
        );
        return;
    }
    begin(
        html,
        "outputs",
        "Outputs in the sliding window",
        &[
            "State",
            "Model",
            "Version",
            "Signature",
            "Output",
            "Rows",
            "Distinct in",
            "Distinct out",
            "Commonest",
            "Last minutes",
        ],
    );
    let mut order: Vec<usize> = (0..report.series.len()).collect();
    order.sort_by_key(|at| urgency(&report.series[*at]));
    for at in order.into_iter().take(SERIES) {
        let series = &report.series[at];
        let w = &series.window;
        let samples = traffic.recent.get(at).map_or(&[][..], Vec::as_slice);
        row(
            html,
            &[
                ("State", standing(series)),
                ("Model", escape(&series.model)),
                ("Version", series.version.to_string()),
                ("Signature", escape(&series.signature)),
                ("Output", escape(&series.output)),
                ("Rows", w.rows.to_string()),
                ("Distinct in", w.distinct_inputs.to_string()),
                ("Distinct out", w.distinct_outputs.to_string()),
                ("Commonest", format!("{:.1} %", 100.0 * w.top_output_share)),
                ("Last minutes", spark::draw(samples)),
            ],
        );
    }
    end(html);
    html.push_str("<p class=\"facts\">Last minutes: the dashed line is distinct inputs, the solid one distinct outputs. A healthy model keeps them together.</p></section>");
}

/// Which versions answered, and since when.
pub(super) fn versions(html: &mut String, report: &Report, traffic: &Traffic) {
    let mut versions: BTreeMap<(&str, i64), (i64, i64, u64)> = BTreeMap::new();
    for (series, seen) in report.series.iter().zip(&traffic.series) {
        let new = (seen.first_nanos, seen.last_nanos, seen.tally.rows);
        versions
            .entry((&series.model, series.version))
            .and_modify(|old| {
                *old = (old.0.min(new.0), old.1.max(new.1), old.2.max(new.2));
            })
            .or_insert(new);
    }
    if versions.is_empty() {
        return;
    }
    begin(
        html,
        "versions",
        "Versions that answered",
        &["Model", "Version", "First reply", "Last reply", "Rows"],
    );
    for ((model, version), (first, last, rows)) in versions {
        row(
            html,
            &[
                ("Model", escape(model)),
                ("Version", version.to_string()),
                ("First reply", time(first)),
                ("Last reply", time(last)),
                ("Rows", rows.to_string()),
            ],
        );
    }
    end(html);
    html.push_str("</section>");
}

/// What requests, replies, the server, the disk and models.config say of each model's version.
pub(super) fn accounts(html: &mut String, accounts: &[Accounts]) {
    if accounts.is_empty() {
        return;
    }
    let columns = [
        "Model",
        "Requests ask for",
        "Replies name",
        "Server status",
        "On disk",
        "models.config",
    ];
    begin(html, "accounts", "Five accounts of the version", &columns);
    for model in accounts {
        let says = model.all.iter().map(|account| {
            let lines: Vec<_> = account.says.lines().map(escape).collect();
            let says = lines.join("<br>");
            match account.known {
                true => says,
                false => format!("<span class=\"facts\">{says}</span>"),
            }
        });
        let cells = std::iter::once(escape(&model.model)).chain(says);
        row(html, &columns.into_iter().zip(cells).collect::<Vec<_>>());
    }
    end(html);
    html.push_str("<p class=\"facts\">Counted are the newest calls of each signature, at most 256 and a minute old. Where two accounts differ, another version answers than somebody believes.</p></section>");
}

/// The last changes of state, newest first.
pub(super) fn transitions(html: &mut String, transitions: &[Transition]) {
    if transitions.is_empty() {
        return;
    }
    begin(
        html,
        "changes",
        "Recent changes",
        &[
            "When",
            "Model",
            "Output",
            "From",
            "To",
            "Kind",
            "Rows by then",
        ],
    );
    for t in transitions.iter().rev().take(TRANSITIONS) {
        let kind = t.kind.map_or_else(String::new, words);
        row(
            html,
            &[
                (
                    "When",
                    format!(
                        "<time datetime=\"{}\">{}</time>",
                        escape(&t.at),
                        moment(&t.at)
                    ),
                ),
                (
                    "Model",
                    format!("{} version {}", escape(&t.model), t.version),
                ),
                ("Output", escape(&t.output)),
                ("From", badge(t.from)),
                ("To", badge(t.to)),
                ("Kind", kind.replace('_', " ")),
                ("Rows by then", t.rows.to_string()),
            ],
        );
    }
    end(html);
    html.push_str("</section>");
}

/// Roles are named though the elements have them: a narrow screen shows rows as blocks, and then
/// browsers forget that this is a table.
fn begin(html: &mut String, id: &str, caption: &str, columns: &[&str]) {
    let _ = write!(
        html,
        "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{caption}</h2><div class=\"wide\" role=\"group\" aria-label=\"{caption}, may scroll\" tabindex=\"0\" data-key=\"{id}\"><table role=\"table\" aria-labelledby=\"{id}\"><thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for column in columns {
        let _ = write!(
            html,
            "<th role=\"columnheader\" scope=\"col\">{column}</th>"
        );
    }
    html.push_str("</tr></thead><tbody role=\"rowgroup\">");
}

/// Cells with the names of their columns; the values are HTML already.
fn row(html: &mut String, cells: &[(&str, String)]) {
    html.push_str("<tr role=\"row\">");
    for (name, value) in cells {
        let value = if value.is_empty() { "-" } else { value };
        let _ = write!(html, "<td role=\"cell\" data-label=\"{name}\">{value}</td>");
    }
    html.push_str("</tr>");
}

fn end(html: &mut String) {
    html.push_str("</tbody></table></div>");
}

fn time(unix_nanos: i64) -> String {
    let at = Timestamp::from_nanosecond(i128::from(unix_nanos)).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = at.to_string();
    format!("<time datetime=\"{at}\">{}</time>", moment(&at))
}
