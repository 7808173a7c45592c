//! Replies that depend on the whole of a request, or on what its shape was: no fault of the model's.

use super::tests::{analyzer, answering, asking, exchange, floats, healthy, of_model};
use crate::diagnose::facts::{ModelTruth, Signature, TensorSpec};
use crate::proto::flatline::v1::Exchange;

/// Rules of the findings after these calls.
fn rules(truth: Option<ModelTruth>, calls: impl Iterator<Item = Exchange>) -> Vec<String> {
    let mut analyzer = analyzer();
    if let Some(truth) = truth {
        analyzer.learn("m", truth);
    }
    let mut last = 0;
    for call in calls {
        last = call.start_unix_nanos;
        analyzer.observe(&call);
    }
    let found = analyzer.findings(last).into_iter();
    found.map(|finding| finding.rule).collect()
}

/// Four candidates of a pool of ten, scored against each other.
fn ranked(n: u64) -> Exchange {
    let candidates: Vec<f32> = (0..4)
        .map(|i| ((n * 7 + i * (n % 3 + 1)) % 10) as f32)
        .collect();
    let sum: f32 = candidates.iter().map(|c| c + 1.0).sum();
    let scores: Vec<f32> = candidates.iter().map(|c| (c + 1.0) / sum).collect();
    let one = asking(exchange(n, healthy), |request| {
        request.inputs = [("x".to_owned(), floats(candidates.clone(), &[4, 1]))].into();
    });
    answering(one, |reply| {
        reply.outputs = [("scores".to_owned(), floats(scores.clone(), &[4, 1]))].into();
    })
}

#[test]
fn a_candidate_among_others_is_another_request() {
    let none: Vec<String> = Vec::new();
    assert_eq!(rules(None, (0..400).map(ranked)), none);
    // One and the same request again, with another answer.
    let drawn = |n: u64| {
        answering(ranked(3), |reply| {
            let scores = vec![(n as f32 * 0.37).sin(); 4];
            reply.outputs = [("scores".to_owned(), floats(scores, &[4, 1]))].into();
        })
    };
    let drawn = (0..60).map(|n| Exchange {
        start_unix_nanos: exchange(n, healthy).start_unix_nanos,
        ..if n % 2 == 0 { ranked(n) } else { drawn(n) }
    });
    assert_eq!(rules(None, drawn), ["D25"]);
}

#[test]
fn a_shape_that_follows_the_clients_is_the_clients() {
    let spec = |dims: &[i64]| TensorSpec {
        dtype: "DT_FLOAT".to_owned(),
        dims: Some(dims.to_vec()),
    };
    let truth = |inputs: &[i64]| {
        let signature = Signature {
            inputs: [("x".to_owned(), spec(inputs))].into(),
            outputs: [("scores".to_owned(), spec(&[1, 3]))].into(),
        };
        ModelTruth {
            status_nanos: i64::MAX,
            signatures: [(3, [("serving_default".to_owned(), signature)].into())].into(),
            ..ModelTruth::default()
        }
    };
    let calls = || (0..20).map(|n| of_model(exchange(n, healthy), "m"));
    let none: Vec<String> = Vec::new();
    let width = super::tests::INPUTS as i64;
    assert_eq!(rules(Some(truth(&[1, width])), calls()), none);
    assert_eq!(rules(Some(truth(&[-1, width])), calls()), ["D6"]);
}
