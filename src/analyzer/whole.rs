//! Replies that depend on the whole of a request, or on what its shape was: no fault of the model's.

use super::tests::{analyzer, answering, asking, exchange, floats, healthy, of_model, spec};
use crate::diagnose::facts::{ModelTruth, Signature, TensorSpec, VersionStatus};
use crate::proto::flatline::v1::Exchange;
use crate::proto::tensorflow::TensorProto;
use crate::proto::tensorflow::serving::PredictRequest;
use crate::report::{Kind, State};

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

/// One row of a mask and eight numbers.
fn masked(n: u64, mask: bool, dead: usize, flat: bool) -> Exchange {
    let at = |i: u64| ((n as f32 * 31.7 + i as f32 * 17.3).sin() * 43758.547).fract();
    let mut x: Vec<f32> = (0..8).map(at).collect();
    x[..dead].fill(0.0);
    let one = asking(exchange(n, healthy), |request| {
        request.inputs = [("x".to_owned(), floats(x.clone(), &[1, 8]))].into();
        if mask {
            let mask = floats(vec![1.0 + at(9), at(10)], &[1, 2]);
            request.inputs.insert("mask".to_owned(), mask);
        }
    });
    answering(one, |reply| {
        let scores = match flat {
            true => vec![0.2, 0.3, 0.5],
            false => vec![at(11), at(12), at(13)],
        };
        reply.outputs = [("scores".to_owned(), floats(scores, &[1, 3]))].into();
    })
}

/// The cause that stands first for the newest version, and whether it is certain.
fn first(calls: impl Iterator<Item = Exchange>) -> (String, bool) {
    let mut analyzer = analyzer();
    for call in calls {
        analyzer.observe(&call);
    }
    let report = analyzer.report(0);
    let cause = report.series.last().unwrap().causes.first().cloned();
    cause.map_or(Default::default(), |cause| (cause.rule, cause.certain))
}

#[test]
fn an_input_that_is_left_out_while_another_dies_is_not_proved() {
    let scene = |dead| {
        let before = (0..400).map(|n| masked(n, true, 0, false));
        before.chain((400..520).map(move |n| masked(n, false, dead, true)))
    };
    assert_eq!(first(scene(0)), ("D3".to_owned(), true));
    assert_eq!(first(scene(3)), ("D9".to_owned(), false));
}

/// What the call of [`masked`] becomes with more changed in its request.
fn changed(n: u64, change: impl FnOnce(&mut PredictRequest)) -> Exchange {
    asking(masked(n, false, 0, true), change)
}

#[test]
fn two_things_that_change_at_once_prove_neither() {
    let flag = |request: &mut PredictRequest, value: f32| {
        request
            .inputs
            .insert("flag".to_owned(), floats(vec![value], &[]));
    };
    let aux = |request: &mut PredictRequest, n: u64| {
        let aux = floats(vec![(n as f32).sin()], &[1, 1]);
        request.inputs.insert("aux".to_owned(), aux);
    };
    let before = || {
        (0..400).map(|n| {
            asking(masked(n, true, 0, false), |request| {
                flag(request, 0.0);
                aux(request, n);
            })
        })
    };
    let proved = |after: &dyn Fn(&mut PredictRequest, u64)| {
        let after = (400..500).map(|n| changed(n, |request| after(request, n)));
        first(before().chain(after)).1
    };
    let same = |request: &mut PredictRequest, n: u64| {
        flag(request, 0.0);
        aux(request, n);
    };
    assert!(proved(&same), "the mask alone is left out");
    assert!(!proved(&|request, n| {
        flag(request, 1.0);
        aux(request, n);
    }));
    assert!(!proved(&|request, _| flag(request, 0.0)));
    assert!(!proved(&|request, n| {
        same(request, n);
        let phase = floats(vec![0.5; 2], &[1, 2]);
        request.inputs.insert("phase".to_owned(), phase);
    }));
}

#[test]
fn rows_without_it_that_varied_and_calls_of_another_size_prove_nothing() {
    let before = || (0..400).map(|n| masked(n, true, 0, false));
    let gap = (400..440).map(|n| masked(n, false, 0, false));
    let flat = |from| (from..from + 100).map(|n| masked(n, false, 0, true));
    assert!(!first(before().chain(gap).chain(flat(440))).1);
    let twice = before().map(|one| {
        let double = |tensor: &mut TensorProto| {
            let values = tensor.float_val.clone();
            tensor
                .float_val
                .extend(values.iter().map(|value| value * 0.9));
            tensor.tensor_shape.as_mut().unwrap().dim[0].size = 2;
        };
        let one = asking(one, |request| request.inputs.values_mut().for_each(double));
        answering(one, |reply| reply.outputs.values_mut().for_each(double))
    });
    assert!(!first(twice.chain(flat(400))).1, "or of another batch");
}

#[test]
fn nan_from_requests_that_changed_is_not_proved() {
    let nan = |one: Exchange, version| {
        answering(one, |reply| {
            let scores = floats(vec![f32::NAN; 3], &[1, 3]);
            reply.outputs = [("scores".to_owned(), scores)].into();
            reply.model_spec = spec(Some(version));
        })
    };
    let then = |mask, version| {
        let before = (0..400).map(|n| masked(n, true, 0, false));
        first(before.chain((400..500).map(|n| nan(masked(n, mask, 0, false), version))))
    };
    assert_eq!(then(true, 4), ("D21".to_owned(), true));
    assert_eq!(then(false, 4), ("D21".to_owned(), false));
    assert_eq!(then(true, 3), ("D21".to_owned(), false), "it gave numbers");
}

#[test]
fn nan_from_one_column_of_many_is_not_proved() {
    let at = |n: u64, i: u64| ((n as f32 * 31.7 + i as f32 * 17.3).sin() * 43758.547).fract();
    // Calls of 64 rows of 16 columns: their range is told from a few of the numbers.
    let call = |n: u64, third: f32, nan: bool| {
        let x = (0..1024).map(|i| if i % 16 == 3 { third } else { 1.0 } * at(n, i));
        let scores = (0..192).map(|i| if nan { f32::NAN } else { at(n, i + 5) });
        let one = asking(exchange(n, healthy), |request| {
            request.inputs = [("x".to_owned(), floats(x.collect(), &[64, 16]))].into();
        });
        answering(one, |reply| {
            reply.outputs = [("scores".to_owned(), floats(scores.collect(), &[64, 3]))].into();
            reply.model_spec = spec(Some(if nan { 4 } else { 3 }));
        })
    };
    let then = |third: f32| {
        let before = (0..40).map(|n| call(n, 1.0, false));
        first(before.chain((40..60).map(|n| call(n, third, true))))
    };
    assert_eq!(then(1.0), ("D21".to_owned(), true));
    assert!(!then(1e3).1);
    assert_eq!(then(1e30), ("D9".to_owned(), false));
}

#[test]
fn an_empty_tensor_beside_others_hides_nothing() {
    let mut analyzer = analyzer();
    for n in 0..600 {
        let one = asking(masked(n, true, 0, n >= 400), |request| {
            let history = floats(vec![], &[0, 3]);
            request.inputs.insert("history".to_owned(), history);
        });
        let one = answering(one, |reply| {
            let boxes = floats(vec![], &[0, 4]);
            reply.outputs.insert("boxes".to_owned(), boxes);
        });
        assert_eq!(analyzer.observe(&one).skipped, None);
    }
    let report = analyzer.report(0);
    assert_eq!(report.series[0].kind, Some(Kind::Constant));
}

#[test]
fn an_input_that_is_left_out_of_a_flat_model_is_not_proved() {
    let before = (0..400).map(|n| masked(n, true, 0, false));
    let flat = (400..430).map(|n| masked(n, true, 0, true));
    let without = (430..520).map(|n| masked(n, false, 0, true));
    assert!(!first(before.chain(flat).chain(without)).1);
}

/// One to four rows of eight numbers.
fn batched(n: u64, flat: bool) -> Exchange {
    let rows = 1 + n as usize % 4;
    let at = |i: usize| ((n as f32 * 31.7 + i as f32 * 17.3).sin() * 43758.547).fract();
    let one = asking(exchange(n, healthy), |request| {
        let x = floats((0..rows * 8).map(at).collect(), &[rows, 8]);
        request.inputs = [("x".to_owned(), x)].into();
    });
    answering(one, |reply| {
        // The sums of another number of rows are rounded in another way.
        let last_bits = if rows == 4 { 0.0 } else { 3e-8 * rows as f32 };
        let scores = (0..rows * 3).map(|i| match flat {
            true => [0.2 + last_bits, 0.3, 0.5][i % 3],
            false => at(i + 7),
        });
        reply.outputs = [("scores".to_owned(), floats(scores.collect(), &[rows, 3]))].into();
    })
}

#[test]
fn one_output_that_is_rounded_by_the_batch_is_constant() {
    let mut analyzer = analyzer();
    for n in 0..1_450 {
        analyzer.observe(&batched(n, n >= 1_400));
    }
    let report = analyzer.report(0);
    assert_eq!(report.series[0].state, State::Firing);
    assert_eq!(report.series[0].kind, Some(Kind::Constant));
}

#[test]
fn another_model_under_the_same_number_is_held_to_its_own_signature() {
    let truth = |classes: Option<i64>, nanos: i64| {
        let spec = |dims: &[i64]| TensorSpec {
            dtype: "DT_FLOAT".to_owned(),
            dims: Some(dims.to_vec()),
        };
        let signature = |classes| Signature {
            inputs: [("x".to_owned(), spec(&[-1, super::tests::INPUTS as i64]))].into(),
            outputs: [("scores".to_owned(), spec(&[-1, classes]))].into(),
        };
        let of = |classes| [("serving_default".to_owned(), signature(classes))].into();
        ModelTruth {
            status: classes.map(|_| {
                vec![VersionStatus {
                    version: 3,
                    state: "AVAILABLE".to_owned(),
                    ..VersionStatus::default()
                }]
            }),
            status_nanos: nanos,
            signatures: classes
                .map(|classes| (3, of(classes)))
                .into_iter()
                .collect(),
            ..ModelTruth::default()
        }
    };
    let mut analyzer = analyzer();
    let at = |n: u64| exchange(n, healthy).start_unix_nanos;
    analyzer.learn("m", truth(Some(3), at(0)));
    for n in 1..20 {
        analyzer.observe(&exchange(n, healthy));
    }
    analyzer.learn("m", truth(Some(3), at(20)));
    assert_eq!(analyzer.findings(at(20)), []);
    // Unloaded, and another one loaded in its place.
    analyzer.learn("m", truth(None, at(21)));
    analyzer.learn("m", truth(Some(2), at(22)));
    assert_eq!(analyzer.findings(at(22)), []);
    for n in 23..40 {
        analyzer.observe(&exchange(n, healthy));
    }
    analyzer.learn("m", truth(Some(2), at(40)));
    let found = analyzer.findings(at(40));
    assert_eq!(found.len(), 1, "it breaks its own: {found:?}");
}
