//! Calls that the server refused for a reason that names a cause.

use super::Analyzer;
use crate::codec::predict::{Asked, spec};
use crate::diagnose::facts::ModelTruth;
use crate::diagnose::findings::{Reason, Refused, of_refused};
use crate::fingerprint::call::{Call, asked};
use crate::proto::flatline::v1::Exchange;
use crate::report::Finding;
use std::collections::BTreeMap;

/// Models and reasons that are kept: names come from the wire.
const MOST: usize = 64;
/// Bytes of a name that is kept.
const LONGEST: usize = 256;
/// What was not said again for so long is over.
const OVER_NANOS: i64 = 60_000_000_000;

/// By model and reason, and when each was last given.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<(String, Reason), (i64, Refused)>);

impl Refusals {
    /// Takes a call that was refused.
    pub(super) fn note(&mut self, exchange: &Exchange) {
        let Some(reason) = Reason::read(exchange.grpc_status, &exchange.grpc_message) else {
            return;
        };
        let Ok(spec) = spec(&exchange.request) else {
            return;
        };
        let label = match spec.version {
            Asked::Label(label) => label,
            _ => "",
        };
        let names = [spec.name, spec.signature, label];
        if names.iter().any(|name| name.len() > LONGEST) {
            return;
        }
        let now = exchange.start_unix_nanos;
        let key = (spec.name.to_owned(), reason);
        let before = self.0.remove(&key).filter(|(last, _)| is_now(*last, now));
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, (last, _))| *last);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        let refused = Refused {
            reason,
            message: exchange.grpc_message.clone(),
            calls: before.map_or(0, |(_, before)| before.calls) + 1,
            asked: asked(spec.version),
            signature: spec.signature.to_owned(),
        };
        self.0.insert(key, (now, refused));
    }

    /// A call was answered: what was refused in the same words is over.
    pub(super) fn answered(&mut self, call: &Call) {
        if !self.0.is_empty() {
            let over = |model: &str, refused: &Refused| {
                *model == call.model
                    && refused.asked == call.asked
                    && refused.signature == call.signature
            };
            self.0
                .retain(|(model, _), (_, refused)| !over(model, refused));
        }
    }
}

fn is_now(last: i64, now_nanos: i64) -> bool {
    now_nanos.saturating_sub(last) <= OVER_NANOS
}

impl Analyzer {
    /// What refused calls say at `now_nanos`.
    pub(super) fn refused(&self, now_nanos: i64) -> impl Iterator<Item = Finding> {
        let now = self.refusals.0.iter();
        let now = now.filter(move |(_, (last, _))| is_now(*last, now_nanos));
        now.filter_map(|((model, reason), (_, refused))| {
            let known = self.truths.get(model);
            // Whatever else a client names, it is the client that is wrong.
            let had = || self.series.keys().any(|key| key.model == *model);
            let configured = known.is_some_and(|known| known.config.is_some());
            if *reason == Reason::Unknown && !configured && !had() {
                return None;
            }
            let unknown = ModelTruth::default();
            of_refused(model, &self.reach, known.unwrap_or(&unknown), refused)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{analyzer, exchange, healthy, of_model};
    use super::*;

    const UNSET: &str =
        "Could not find variable dense/bias. This could mean that the variable has been deleted.";

    fn refused(n: u64, model: &str, message: &str) -> Exchange {
        Exchange {
            grpc_status: if message == UNSET { 9 } else { 5 },
            grpc_message: message.to_owned(),
            response: Vec::new().into(),
            ..of_model(exchange(n, healthy), model)
        }
    }

    #[test]
    fn a_variable_without_a_value_is_told_until_a_minute_after() {
        let mut analyzer = analyzer();
        let mut last = 0;
        for n in 0..4 {
            assert_eq!(analyzer.findings(last), []);
            let one = refused(n, "m", UNSET);
            last = one.start_unix_nanos;
            analyzer.observe(&one);
        }
        let found = analyzer.findings(last);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rule.as_str(), found[0].certain), ("D12", false));
        assert!(
            found[0].evidence[0].contains("refused 4 calls")
                && found[0].evidence[0].contains("dense/bias"),
            "{:?}",
            found[0].evidence
        );
        assert_eq!(analyzer.findings(last + OVER_NANOS + 1), []);
    }

    #[test]
    fn a_model_that_is_gone_is_told_and_one_that_never_was_is_not() {
        let mut analyzer = analyzer();
        for n in 0..8 {
            analyzer.observe(&exchange(n, healthy));
        }
        let mut last = 0;
        for n in 8..16 {
            for model in ["m", "typo"] {
                let one = refused(
                    n,
                    model,
                    &format!("Servable not found for request: Latest({model})"),
                );
                last = one.start_unix_nanos;
                analyzer.observe(&one);
            }
        }
        let found = analyzer.findings(last);
        let found: Vec<_> = found.iter().map(|f| (&*f.rule, &*f.model)).collect();
        assert_eq!(found, [("D14", "m")]);
        analyzer.observe(&exchange(16, healthy));
        assert_eq!(analyzer.findings(last), [], "it is back");
    }

    #[test]
    fn other_reasons_and_ever_new_names_hold_nothing() {
        let mut analyzer = analyzer();
        for n in 0..500 {
            analyzer.observe(&refused(n, "m", "uninitialized shapes"));
            analyzer.observe(&refused(n, &format!("m{n}"), UNSET));
        }
        for n in 500..510 {
            analyzer.observe(&refused(n, &"m".repeat(1 << 20), UNSET));
        }
        assert_eq!(analyzer.refusals.0.len(), MOST);
        let longest = analyzer.refusals.0.keys().map(|(model, _)| model.len());
        assert!(longest.max() <= Some(LONGEST));
        assert!(analyzer.findings(0).is_empty());
    }
}
