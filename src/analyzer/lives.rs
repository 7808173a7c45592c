//! What survives a restart, a reset and a new version.

use super::tests::{INPUTS, analyzer, answering, asking, exchange, floats, healthy, spec};
use super::*;
use crate::detect::Saved;
use crate::diagnose::facts::{Signature, TensorSpec, VersionStatus};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use crate::report::Kind;

fn flat(_: &[f32]) -> Vec<f32> {
    vec![0.2, 0.3, 0.5]
}

/// 1,000 healthy calls of four rows.
fn learned() -> Analyzer {
    let mut analyzer = analyzer();
    for n in 0..1000 {
        analyzer.observe(&exchange(n, healthy));
    }
    analyzer
}

fn rows_until_firing(analyzer: &mut Analyzer, from: u64) -> Option<u64> {
    (from..from + 600).find_map(|n| {
        let steps = analyzer.observe(&exchange(n, flat)).transitions;
        let fired = steps.iter().any(|step| step.to == State::Firing);
        fired.then_some((n + 1 - from) * 4)
    })
}

#[test]
fn a_baseline_goes_on_where_an_earlier_process_ended() {
    let before = learned();
    let key = before.keys().next().unwrap().clone();
    let bytes = before.save(&key).unwrap().to_bytes("a name").unwrap();
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());
    let (name, saved) = Saved::from_bytes(&bytes).unwrap();
    assert_eq!(name, "a name");
    let mut after = analyzer();
    after.restore(key, saved);
    for n in 1000..1100 {
        assert!(after.observe(&exchange(n, healthy)).transitions.is_empty());
    }
    assert_eq!(after.report(0).series[0].baseline.state, "restored");
    let rows = rows_until_firing(&mut after, 1100).unwrap();
    assert!(rows <= 40, "{rows}");
}

#[test]
fn what_has_healed_is_over_though_inputs_come_again() {
    let nan = |_: &[f32]| vec![f32::NAN; 3];
    for fault in [&flat as &dyn Fn(&[f32]) -> Vec<f32>, &nan] {
        // One input alone tells that numbers are back, and nothing of outputs that vary.
        for (calls, heals) in [(10, true), (1, fault(&[])[0].is_nan())] {
            let mut analyzer = learned();
            (1000..1100).for_each(|n| drop(analyzer.observe(&exchange(n, fault))));
            assert_eq!(analyzer.report(0).series[0].state, State::Firing);
            // Each call holds four inputs, all equal where there is one.
            for n in 1100..1500 {
                let again = match calls {
                    1 => exchange(7, |_| healthy(&[0.5; INPUTS])),
                    _ => exchange(n % calls, healthy),
                };
                let again = asking(again, |request| {
                    if calls == 1 {
                        request
                            .inputs
                            .insert("x".to_owned(), floats(vec![0.5; 4 * INPUTS], &[4, INPUTS]));
                    }
                });
                let at = exchange(n, healthy).start_unix_nanos;
                analyzer.observe(&Exchange {
                    start_unix_nanos: at,
                    ..again
                });
            }
            let state = analyzer.report(0).series[0].state;
            assert_eq!(state != State::Firing, heals, "{calls}: {state:?}");
        }
    }
}

#[test]
fn damage_is_named() {
    use crate::detect::Damaged;
    let before = learned();
    let key = before.keys().next().unwrap();
    let bytes = before.save(key).unwrap().to_bytes("n").unwrap();
    let read = |bytes: &[u8]| Saved::from_bytes(bytes).map(|_| ()).unwrap_err();
    assert_eq!(read(b""), Damaged::NoBaseline);
    assert_eq!(read(&bytes[..bytes.len() - 1]), Damaged::Checksum);
    for at in [42, bytes.len() / 2, bytes.len() - 1] {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert_eq!(read(&wrong), Damaged::Checksum);
    }
    let mut other = bytes;
    other[8] = 9;
    assert_eq!(read(&other), Damaged::Version(9));
}

#[test]
fn a_reset_forgets_the_chosen_series_alone() {
    let mut analyzer = learned();
    let chosen = |model: &str| Chosen {
        model: Some(model.to_owned()),
        ..Chosen::default()
    };
    assert!(analyzer.reset(&chosen("other")).is_empty());
    assert_eq!(analyzer.reset(&chosen("m")).len(), 1);
    assert_eq!(analyzer.series_count(), 0);
    analyzer.observe(&exchange(2000, healthy));
    assert_eq!(analyzer.report(0).series[0].baseline.state, "learning");
}

#[test]
fn a_version_that_is_flat_from_its_first_reply_fires_within_64_rows() {
    let mut analyzer = learned();
    for n in 1000..1100 {
        let call = answering(exchange(n, flat), |reply| reply.model_spec = spec(Some(4)));
        for step in analyzer.observe(&call).transitions {
            if step.to == State::Firing {
                assert_eq!((step.version, step.kind), (4, Some(Kind::Constant)));
                assert!(step.rows <= 64, "{}", step.rows);
                return;
            }
        }
    }
    panic!("nothing fired");
}

#[test]
fn what_the_user_expects_helps_a_cold_start() {
    let scalar = |_: &[f32]| vec![1.0];
    let rows = |expect: &str| {
        let options = Options {
            expect: vec![expect.parse().unwrap()],
            ..Options::default()
        };
        let mut analyzer = Analyzer::new(options, [7; 32]);
        (0..700_u64).find_map(|n| {
            let steps = analyzer.observe(&exchange(n, scalar)).transitions;
            steps
                .iter()
                .any(|s| s.to == State::Firing)
                .then_some(4 * (n + 1))
        })
    };
    assert!(rows("m=continuous").unwrap() <= 80);
    assert!((512..=600).contains(&rows("m=classes:10").unwrap()));
    assert!(rows("m=coarse").unwrap() >= 2000);
    assert!(rows("other=continuous").unwrap() >= 2000);
}

#[test]
fn nan_that_is_meant_fires_only_where_nobody_says_so() {
    let holed = |row: &[f32]| [vec![f32::NAN], healthy(row)].concat();
    // What is wide is projected, and a projection of NaN would be NaN all over.
    let wide = |row: &[f32]| [vec![f32::NAN; 300], healthy(row)].concat();
    let flat = |_: &[f32]| vec![f32::NAN, 0.2, 0.3, 0.5];
    let nothing = |_: &[f32]| vec![f32::NAN; 4];
    let fired = |expect: &str, answer: &dyn Fn(&[f32]) -> Vec<f32>| {
        let options = Options {
            expect: vec![expect.parse().unwrap()],
            ..Options::default()
        };
        let mut analyzer = Analyzer::new(options, [7; 32]);
        (0..1000).for_each(|n| drop(analyzer.observe(&exchange(n, answer))));
        let report = analyzer.report(0);
        let series = report.series[0].clone();
        (series.state == State::Firing).then_some(series)
    };
    let kind = |expect: &str, answer: &dyn Fn(&[f32]) -> Vec<f32>| {
        fired(expect, answer).map(|series| series.kind)
    };
    for answer in [&holed as &dyn Fn(&[f32]) -> Vec<f32>, &wide] {
        assert_eq!(kind("m=continuous", answer), Some(Some(Kind::NonFinite)));
        assert_eq!(kind("m=non-finite", answer), None);
    }
    assert_eq!(kind("m=non-finite", &flat), Some(Some(Kind::Constant)));
    // That none of its rows hold NaN would be a lie.
    let series = fired("m=non-finite", &nothing).unwrap();
    assert!(series.ruled_out.iter().all(|out| out.rule != "D21"));
}

#[test]
fn what_is_told_before_the_first_call_names_the_server() {
    let mut analyzer = analyzer();
    analyzer.answered_by(Reach {
        upstream: "10.0.0.1:9000".to_owned(),
        options: Vec::new(),
    });
    let status = |version, state: &str, code| VersionStatus {
        version,
        state: state.to_owned(),
        code,
        message: String::new(),
    };
    let truth = ModelTruth {
        status: Some(vec![status(2, "END", 5), status(1, "AVAILABLE", 0)]),
        ..ModelTruth::default()
    };
    analyzer.learn("m", truth);
    let found = analyzer.findings(0);
    assert_eq!(found[0].rule, "D13");
    assert!(
        found[0].confirm.contains("--upstream 10.0.0.1:9000"),
        "{}",
        found[0].confirm
    );
}

#[test]
fn another_model_under_the_same_number_is_not_held_against_the_first_ones_calls() {
    let promised = |inputs: &[&str], status_nanos| {
        let spec = TensorSpec {
            dtype: "DT_FLOAT".to_owned(),
            dims: None,
        };
        let inputs = inputs.iter();
        let signature = Signature {
            inputs: inputs
                .map(|name| ((*name).to_owned(), spec.clone()))
                .collect(),
            ..Signature::default()
        };
        let all = [("serving_default".to_owned(), signature)];
        ModelTruth {
            signatures: [(3, all.into())].into(),
            status_nanos,
            ..ModelTruth::default()
        }
    };
    let mut analyzer = analyzer();
    analyzer.learn("m", promised(&["x"], 0));
    for n in 0..300 {
        analyzer.observe(&exchange(n, healthy));
    }
    let found = |analyzer: &Analyzer| -> Vec<String> {
        let found = analyzer.findings(1_000_000_000).into_iter();
        found.map(|finding| finding.rule).collect()
    };
    assert_eq!(found(&analyzer), [""; 0]);
    // What was sent until now was all of it.
    analyzer.learn("m", promised(&["x", "mask"], 0));
    assert_eq!(found(&analyzer), [""; 0]);
    for n in 300..600 {
        analyzer.observe(&exchange(n, healthy));
    }
    // It may be another one by now, until the server says that it is not.
    assert_eq!(found(&analyzer), [""; 0]);
    analyzer.learn("m", promised(&["x", "mask"], i64::MAX));
    assert_eq!(found(&analyzer), ["D3"]);
    analyzer.learn("m", promised(&["x"], i64::MAX));
    assert_eq!(found(&analyzer), [""; 0]);
}

#[test]
fn a_number_that_stays_the_same_beside_text_is_no_reason_against_the_vocabulary() {
    // The text of four rows, and a number beside it.
    let words = |n: u64, length: f32, version| {
        let call = asking(exchange(n, flat), |request| {
            let text = request.inputs.get_mut("x").expect("an input");
            *text = TensorProto {
                dtype: DataType::DtString as i32,
                tensor_shape: Some(TensorShapeProto {
                    dim: vec![Dim {
                        size: 4,
                        ..Dim::default()
                    }],
                    unknown_rank: false,
                }),
                string_val: (0..4)
                    .map(|row| format!("word {n} {row}").into_bytes())
                    .collect(),
                ..TensorProto::default()
            };
            let length = floats(vec![length; 4], &[4]);
            request.inputs.insert("length".to_owned(), length);
        });
        answering(call, |reply| {
            reply.model_spec = spec(Some(version));
            if version == 3 {
                let scores = reply.outputs.get_mut("scores").expect("an output");
                scores.float_val = (0..12).map(|i| ((n * 12 + i) as f32).sin()).collect();
            }
        })
    };
    let is_named = |length: &dyn Fn(u64) -> f32| {
        let mut analyzer = analyzer();
        for n in 0..1000 {
            analyzer.observe(&words(n, length(n), 3));
        }
        for n in 1000..1100 {
            analyzer.observe(&words(n, length(n), 4));
        }
        let report = analyzer.report(0);
        let new = report.series.iter().find(|series| series.version == 4);
        let new = new.expect("a series of the new version");
        assert_eq!(new.state, State::Firing);
        new.causes.iter().any(|cause| cause.rule == "D15")
    };
    assert!(is_named(&|_| 128.0));
    assert!(!is_named(&|n| n as f32));
}
