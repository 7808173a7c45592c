//! Exchanges in, verdicts out.

use super::{Analyzer, Options};
use crate::proto::flatline::v1::Exchange;
use crate::proto::tensorflow::serving::{ModelSpec, PredictRequest, PredictResponse, model_spec};
use crate::proto::tensorflow::tensor_shape_proto::Dim;
use crate::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use crate::report::{Kind, State};
use crate::skip::Skip;
use prost::Message;

const ROWS: usize = 4;
pub(super) const INPUTS: usize = 8;
const CLASSES: usize = 3;

pub(super) fn floats(values: Vec<f32>, dims: &[usize]) -> TensorProto {
    let dim = dims
        .iter()
        .map(|&size| Dim {
            size: size as i64,
            name: String::new(),
        })
        .collect();
    TensorProto {
        dtype: DataType::DtFloat as i32,
        tensor_shape: Some(TensorShapeProto {
            dim,
            unknown_rank: false,
        }),
        float_val: values,
        ..TensorProto::default()
    }
}

pub(super) fn spec(version: Option<i64>) -> Option<ModelSpec> {
    Some(ModelSpec {
        name: "m".to_owned(),
        signature_name: String::new(),
        version_choice: version.map(model_spec::VersionChoice::Version),
    })
}

/// Call `n`: inputs and healthy outputs that differ in every row.
pub(super) fn exchange(n: u64, reply: impl Fn(&[f32]) -> Vec<f32>) -> Exchange {
    let inputs: Vec<f32> = (0..ROWS * INPUTS)
        .map(|i| ((n as f32 * 31.7 + i as f32 * 17.3).sin() * 43758.547).fract())
        .collect();
    let outputs: Vec<f32> = inputs.chunks(INPUTS).flat_map(reply).collect();
    let classes = outputs.len() / ROWS;
    let request = PredictRequest {
        model_spec: spec(None),
        inputs: [("x".to_owned(), floats(inputs, &[ROWS, INPUTS]))].into(),
        output_filter: vec![],
    };
    let response = PredictResponse {
        model_spec: spec(Some(3)),
        outputs: [("scores".to_owned(), floats(outputs, &[ROWS, classes]))].into(),
    };
    Exchange {
        start_unix_nanos: 1_700_000_000_000_000_000 + n as i64 * 10_000_000,
        duration_nanos: 2_000_000,
        method: "/tensorflow.serving.PredictionService/Predict".to_owned(),
        request: request.encode_to_vec().into(),
        response: response.encode_to_vec().into(),
        ..Exchange::default()
    }
}

/// The exchange with another request.
pub(super) fn asking(one: Exchange, change: impl FnOnce(&mut PredictRequest)) -> Exchange {
    let mut request = PredictRequest::decode(one.request.clone()).unwrap();
    change(&mut request);
    Exchange {
        request: request.encode_to_vec().into(),
        ..one
    }
}

/// The exchange with another reply.
pub(super) fn answering(one: Exchange, change: impl FnOnce(&mut PredictResponse)) -> Exchange {
    let mut reply = PredictResponse::decode(one.response.clone()).unwrap();
    change(&mut reply);
    Exchange {
        response: reply.encode_to_vec().into(),
        ..one
    }
}

/// Asks for another model.
pub(super) fn of_model(one: Exchange, model: &str) -> Exchange {
    asking(one, |request| {
        model.clone_into(&mut request.model_spec.as_mut().unwrap().name);
    })
}

/// Puts the values where TensorFlow does not read them.
fn in_the_wrong_field(request: &mut PredictRequest) {
    let x = request.inputs.get_mut("x").unwrap();
    x.double_val = x.float_val.drain(..).map(f64::from).collect();
}

pub(super) fn healthy(row: &[f32]) -> Vec<f32> {
    let logits: Vec<f32> = (0..CLASSES).map(|c| row[c] * 2.0 + row[c + 3]).collect();
    let total: f32 = logits.iter().map(|l| l.exp()).sum();
    logits.iter().map(|l| l.exp() / total).collect()
}

pub(super) fn analyzer() -> Analyzer {
    Analyzer::new(Options::default(), [7; 32])
}

/// Runs 500 healthy calls, then faulty ones until something fires; rows from onset to firing.
fn rows_until_firing(fault: impl Fn(&[f32]) -> Vec<f32>) -> (u64, Kind) {
    let mut analyzer = analyzer();
    for n in 0..500 {
        let outcome = analyzer.observe(&exchange(n, healthy));
        assert_eq!((outcome.skipped, outcome.transitions.len()), (None, 0));
    }
    for n in 500..600 {
        for transition in analyzer.observe(&exchange(n, &fault)).transitions {
            if transition.to == State::Firing {
                assert_eq!(transition.version, 3);
                return (transition.rows - 2000, transition.kind.unwrap());
            }
        }
    }
    panic!("nothing fired");
}

#[test]
fn one_output_for_every_input_fires_as_constant() {
    let (rows, kind) = rows_until_firing(|_| vec![0.2, 0.3, 0.5]);
    assert_eq!(kind, Kind::Constant);
    assert!(rows <= 64, "{rows}");
}

#[test]
fn noise_around_one_output_fires_as_near_constant() {
    let (rows, kind) = rows_until_firing(|row| vec![0.2 + row[0] * 1e-5, 0.3, 0.5 - row[0] * 1e-5]);
    assert_eq!(kind, Kind::NearConstant);
    assert!(rows <= 64, "{rows}");
}

#[test]
fn nan_fires_as_non_finite() {
    let (rows, kind) = rows_until_firing(|_| vec![f32::NAN, 0.3, 0.5]);
    assert_eq!(kind, Kind::NonFinite);
    assert!(rows <= 32, "{rows}");
}

#[test]
fn minus_infinity_that_was_not_there_before_fires_as_non_finite() {
    let (rows, kind) = rows_until_firing(|_| vec![f32::NEG_INFINITY, 0.3, 0.5]);
    assert_eq!(kind, Kind::NonFinite);
    assert!(rows <= 32, "{rows}");
}

#[test]
fn a_client_that_repeats_one_input_is_pending_and_never_fires() {
    let mut analyzer = analyzer();
    for n in 0..500 {
        analyzer.observe(&exchange(n, healthy));
    }
    let mut last = Vec::new();
    for n in 0..300 {
        let mut same = exchange(1000, |_| vec![0.2, 0.3, 0.5]);
        same.start_unix_nanos += n;
        last.extend(analyzer.observe(&same).transitions);
    }
    // Four rows a call: no single row is more than half; a call of one row is.
    assert!(last.iter().all(|t| t.to != State::Firing), "{last:?}");
    let one_row = |n: i64| {
        let mut exchange = exchange(1000, |_| vec![0.2, 0.3, 0.5]);
        let input = floats(vec![0.5; INPUTS], &[1, INPUTS]);
        let request = PredictRequest {
            model_spec: spec(None),
            inputs: [("x".to_owned(), input)].into(),
            output_filter: vec![],
        };
        let response = PredictResponse {
            model_spec: spec(Some(3)),
            outputs: [("scores".to_owned(), floats(vec![0.2, 0.3, 0.5], &[1, 3]))].into(),
        };
        exchange.request = request.encode_to_vec().into();
        exchange.response = response.encode_to_vec().into();
        exchange.start_unix_nanos += n;
        exchange
    };
    for n in 0..600 {
        last.extend(analyzer.observe(&one_row(n)).transitions);
    }
    assert!(last.iter().all(|t| t.to != State::Firing), "{last:?}");
    let report = analyzer.report(0);
    assert_eq!(report.series[0].state, State::Pending);
    assert_eq!(report.series[0].kind, Some(Kind::InputCollapse));
    assert_eq!(report.series[0].causes[0].rule, "D1");
    // It began when it was seen first, however long it lasts.
    let onset = |report: &crate::report::Report| {
        report.series[0].incident.as_ref().and_then(|i| i.onset_row)
    };
    let before = onset(&report);
    for n in 600..2000 {
        analyzer.observe(&one_row(n));
    }
    assert_eq!(onset(&analyzer.report(0)), before);
    assert!(before.is_some());
}

#[test]
fn values_in_the_wrong_field_are_named_with_proof() {
    let mut analyzer = analyzer();
    for n in 0..500 {
        let one = exchange(n, |_| vec![0.2, 0.3, 0.5]);
        analyzer.observe(&asking(one, in_the_wrong_field));
    }
    let report = analyzer.report(0);
    assert!(report.series[0].window.distinct_inputs > 1000);
    assert_eq!(report.series[0].window.distinct_effective_inputs, 1);
}

#[test]
fn healthy_rows_in_health_and_the_window_is_reported() {
    let mut analyzer = analyzer();
    let mut last = 0;
    for n in 0..3000 {
        let exchange = exchange(n, healthy);
        last = exchange.start_unix_nanos + exchange.duration_nanos;
        assert!(analyzer.observe(&exchange).transitions.is_empty());
    }
    let report = analyzer.report(last);
    assert_eq!((report.observed.calls, report.observed.rows), (3000, 12000));
    assert_eq!(report.series.len(), 1);
    assert_eq!(report.series[0].version, 3);
    assert_eq!(report.series[0].signature, "serving_default");
    assert_eq!(report.series[0].window.rows, 4096);
    assert!(report.series[0].window.distinct_outputs > 4000);
}

#[test]
fn bad_calls_are_skipped_with_their_reason() {
    let mut analyzer = analyzer();
    let good = exchange(0, healthy);
    let cut = Exchange {
        request: good.request.slice(..good.request.len() - 1),
        ..good.clone()
    };
    assert_eq!(analyzer.observe(&cut).skipped, Some(Skip::Protobuf));
    let failed = Exchange {
        grpc_status: 3,
        ..good.clone()
    };
    assert_eq!(analyzer.observe(&failed).skipped, Some(Skip::NotOk));
    let lost = Exchange {
        grpc_status: -1,
        ..good.clone()
    };
    assert_eq!(analyzer.observe(&lost).skipped, Some(Skip::Incomplete));
    let empty = Exchange {
        request: Vec::new().into(),
        ..good
    };
    assert_eq!(analyzer.observe(&empty).skipped, Some(Skip::NoModel));
    assert_eq!(analyzer.report(0).observed.skipped.values().sum::<u64>(), 4);
}

#[test]
fn the_least_recently_used_series_leaves() {
    let options = Options {
        max_series: 2,
        ..Options::default()
    };
    let mut analyzer = Analyzer::new(options, [0; 32]);
    let mut evicted = 0;
    for n in 0..5 {
        let one = of_model(exchange(n, healthy), &format!("m{n}"));
        evicted += analyzer.observe(&one).evicted;
    }
    assert_eq!((evicted, analyzer.series_count()), (3, 2));
    let names: Vec<_> = analyzer
        .report(0)
        .series
        .into_iter()
        .map(|s| s.model)
        .collect();
    assert_eq!(names, ["m3", "m4"]);
}

#[test]
fn a_call_with_two_outputs_is_one_call_in_the_accounts() {
    let mut analyzer = analyzer();
    for n in 0..30 {
        analyzer.observe(&answering(exchange(n, healthy), |reply| {
            let scores = reply.outputs["scores"].clone();
            reply.outputs.insert("logits".to_owned(), scores);
        }));
    }
    assert_eq!(analyzer.series_count(), 2);
    let accounts = analyzer.accounts();
    let says = accounts[0].all.iter().map(|account| account.says.as_str());
    let says: Vec<&str> = says.take(2).collect();
    assert_eq!(
        says,
        ["the newest version, 30 calls", "version 3, 30 calls"]
    );
}

#[test]
fn an_input_handed_through_beside_a_real_output_is_no_finding() {
    let mut analyzer = analyzer();
    for n in 0..400 {
        let keys = (0..ROWS).map(|row| (n as usize * ROWS + row) as f32);
        let keys = floats(keys.collect(), &[ROWS, 1]);
        let keyed = asking(exchange(n, healthy), |request| {
            request.inputs.insert("key".to_owned(), keys.clone());
        });
        let through = answering(keyed, |reply| {
            reply.outputs.insert("key".to_owned(), keys);
        });
        let outcome = analyzer.observe(&through);
        assert_eq!(outcome.transitions, []);
    }
    let report = analyzer.report(1_700_000_004_000_000_000);
    assert_eq!((report.series.len(), report.findings), (2, vec![]));
}

#[test]
fn a_constant_beside_an_output_that_follows_the_batch_is_no_d5() {
    let mut analyzer = analyzer();
    for n in 0..40 {
        let anchors = answering(exchange(n, healthy), |reply| {
            let anchors = floats(vec![0.5; 7 * 2], &[7, 2]);
            reply.outputs.insert("anchors".to_owned(), anchors);
        });
        analyzer.observe(&anchors);
    }
    assert_eq!(analyzer.findings(1_700_000_000_400_000_000), []);
}

#[test]
fn what_calls_said_is_over_five_minutes_after_the_last() {
    let mut analyzer = analyzer();
    let mut last = 0;
    for n in 0..40 {
        let one = exchange(n, healthy);
        last = one.start_unix_nanos;
        analyzer.observe(&asking(one, in_the_wrong_field));
    }
    const SECOND: i64 = 1_000_000_000;
    let said = |seconds: i64| {
        let now = last + seconds * SECOND;
        let found = analyzer.findings(now).into_iter();
        let rules: Vec<String> = found.map(|finding| finding.rule).collect();
        (rules, analyzer.report(now).series[0].idle)
    };
    // One effective input, and outputs that differ.
    let both = || vec!["D2".to_owned(), "D25".to_owned()];
    assert_eq!(said(0), (both(), false));
    assert_eq!(said(299), (both(), false));
    assert_eq!(said(301), (vec![], true));
}

#[test]
fn only_what_was_not_known_is_news() {
    use crate::diagnose::facts::ModelTruth;
    let mut analyzer = analyzer();
    let asked = |status_nanos, loaded: &[(i64, i64)]| ModelTruth {
        status_nanos,
        loaded: loaded.to_vec(),
        ..ModelTruth::default()
    };
    assert!(analyzer.learn("m", asked(1, &[])));
    assert!(!analyzer.learn("m", asked(2, &[])));
    assert!(analyzer.learn("m", asked(3, &[(2, 3)])));
    assert_eq!(analyzer.truth("m"), Some(&asked(3, &[(2, 3)])));
}

#[test]
fn a_client_that_repeats_itself_is_said_once() {
    let mut analyzer = analyzer();
    for n in 0..100 {
        analyzer.observe(&exchange(n, healthy));
    }
    let one = |n: i64| Exchange {
        start_unix_nanos: 1_700_000_010_000_000_000 + n,
        ..exchange(7, healthy)
    };
    let steps = (0..200).flat_map(|n| analyzer.observe(&one(n)).transitions);
    let states: Vec<State> = steps.map(|step| step.to).collect();
    assert_eq!(states, [State::Pending]);
}
