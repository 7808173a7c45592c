//! Findings as log lines: told once when they come, and once when they go.

use crate::report::Finding;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Findings that were logged: each is told once when it comes, and once when it goes.
#[derive(Debug, Default)]
pub struct Told {
    known: BTreeMap<(String, String), u32>,
    last: Option<Instant>,
}

/// How often findings are looked for while calls come.
const LOOK: Duration = Duration::from_secs(5);
/// Looks without it after which a finding is gone: one that flickers is told once.
const GONE: u32 = 3;

impl Told {
    /// Logs what came and what went, at once if `now`, else every five seconds at most.
    pub fn tell(&mut self, findings: impl FnOnce() -> Vec<Finding>, now: bool) {
        if !now && self.last.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        self.last = Some(Instant::now());
        self.known.values_mut().for_each(|looks| *looks += 1);
        for finding in findings() {
            let Finding {
                rule,
                model,
                certain,
                evidence,
                confirm,
                ..
            } = &finding;
            if self
                .known
                .insert((model.clone(), rule.clone()), 0)
                .is_none()
            {
                let evidence = evidence.join("; ");
                let (model, confirm) = (model.as_str(), confirm.as_str());
                tracing::warn!(model, %rule, certain, evidence, confirm, "finding");
            }
        }
        self.known.retain(|(model, rule), looks| {
            if *looks >= GONE {
                tracing::info!(model = model.as_str(), %rule, "finding is gone");
            }
            *looks < GONE
        });
    }
}
