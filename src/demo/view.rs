//! What the demonstration shows while it runs: one line that is redrawn on a terminal, one line
//! every so often in a pipe.

use super::server::Fault;
use super::{Outcome, Script, verdict};
use crate::app::Running;
use crate::report::{Report, State};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Rows between two lines in a pipe.
const EVERY: u64 = 512;

pub(super) struct View {
    bar: Option<ProgressBar>,
    next: u64,
    state: State,
}

impl View {
    pub(super) fn new(script: &Script, running: &Running) -> Self {
        println!(
            "flatline demo: clients -> Flatline {} -> a model that reads handwritten digits",
            running.listen
        );
        println!("status page: http://{}/ (while this runs)", running.admin);
        let total = script.healthy_rows
            + if script.fault == Fault::None {
                0
            } else {
                script.faulty_rows
            };
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos:>6} rows  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        View {
            bar,
            next: 0,
            state: State::Inactive,
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.line(&format!("-- fault on: {}", words(fault)));
        self.next = 0;
    }

    pub(super) fn update(&mut self, rows: u64, report: &Report) {
        let Some(series) = verdict(report).or(report.series.last()) else {
            return;
        };
        let w = &series.window;
        let kind = crate::explain::trouble(series).unwrap_or_default();
        let state = format!("{:?}", series.state).to_lowercase();
        let text = format!(
            "version {}  distinct in {:>5}  distinct out {:>5}  commonest {:>5.1} %  {state} {kind}",
            series.version,
            w.distinct_inputs,
            w.distinct_outputs,
            100.0 * w.top_output_share
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(rows);
                bar.set_message(text);
            }
            None if rows >= self.next || series.state != self.state => {
                self.next = rows + EVERY;
                println!("{rows:>6} rows  {text}");
            }
            None => {}
        }
        self.state = series.state;
    }

    pub(super) fn end(&mut self, script: &Script, outcome: &Outcome, text: &str) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
        println!("\n{}", text.trim_end());
        match (script.fault, outcome.rows_to_verdict) {
            (Fault::None, _) if outcome.as_scripted => {
                println!("\nverdict: healthy, as it should be");
            }
            (_, Some(rows)) if outcome.as_scripted => {
                println!("\nverdict: found within {rows} rows of the fault, none before it");
            }
            _ => println!("\nverdict: not what the script expected"),
        }
    }

    pub(super) fn kept(&self, running: &Running) {
        println!(
            "\nstatus page: http://{}/ (until interrupted)",
            running.admin
        );
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => println!("{text}"),
        }
    }
}

fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "none",
        Fault::Rollout => "version 2 is rolled out, and its training had collapsed",
        Fault::Constant => "the model gives one answer to everything",
        Fault::NearConstant => "the model gives one answer and a little noise",
        Fault::Nan => "the model gives NaN",
        Fault::InputCollapse => "the client sends one image again and again",
    }
}
