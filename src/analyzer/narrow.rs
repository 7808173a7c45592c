//! One value that stands for a whole input: what is named D2, and what is not.

use super::tests::{analyzer, asking, exchange, floats, healthy};
use super::*;
use crate::proto::tensorflow::TensorProto;
use crate::proto::tensorflow::serving::PredictRequest;
use crate::report::Kind;

/// Call `n` with other inputs.
fn with(n: u64, reply: fn(&[f32]) -> Vec<f32>, change: impl Fn(&mut PredictRequest)) -> Exchange {
    asking(exchange(n, reply), change)
}

fn flat(_: &[f32]) -> Vec<f32> {
    vec![0.2, 0.3, 0.5]
}

/// Keeps the first value only; the rest goes elsewhere, or nowhere.
fn cut(x: &mut TensorProto, elsewhere: bool) {
    let all = std::mem::take(&mut x.float_val);
    x.float_val = all[..1].to_vec();
    if elsewhere {
        x.double_val = all.into_iter().map(f64::from).collect();
    }
}

fn after_health(calls: u64, change: impl Fn(u64) -> Exchange) -> Report {
    let mut analyzer = analyzer();
    for n in 0..500 {
        analyzer.observe(&exchange(n, healthy));
    }
    for n in 500..500 + calls {
        analyzer.observe(&change(n));
    }
    analyzer.report(0)
}

fn findings(report: &Report) -> Vec<(&str, bool)> {
    let found = report.findings.iter();
    found.map(|f| (f.rule.as_str(), f.certain)).collect()
}

#[test]
fn one_value_beside_many_in_the_wrong_field_is_proved() {
    let report = after_health(100, |n| {
        with(n, flat, |request| {
            let x = request.inputs.get_mut("x").unwrap();
            cut(x, true);
            x.float_val = vec![1.0];
        })
    });
    let series = &report.series[0];
    assert_eq!(series.kind, Some(Kind::InputCollapse));
    let cause = &series.causes[0];
    assert_eq!((cause.rule.as_str(), cause.certain), ("D2", true));
    let evidence = cause.evidence.join("\n");
    assert!(
        evidence.contains("declares 32 elements and fills 1 in its own field"),
        "{evidence}"
    );
    assert_eq!(findings(&report), [("D2", true)]);
}

#[test]
fn one_value_alone_is_likely_after_inputs_that_held_more() {
    let report = after_health(100, |n| {
        with(n, flat, |request| {
            cut(request.inputs.get_mut("x").unwrap(), false);
        })
    });
    let cause = &report.series[0].causes[0];
    assert_eq!((cause.rule.as_str(), cause.certain), ("D2", false));
    let evidence = cause.evidence.join("\n");
    assert!(
        evidence.contains("declares 32 elements and is given 1 value"),
        "{evidence}"
    );
    assert_eq!(findings(&report), [("D2", false)]);
}

#[test]
fn one_value_again_and_again_is_the_encoding_and_not_the_buffer() {
    let report = after_health(300, |n| {
        with(n, flat, |request| {
            let x = request.inputs.get_mut("x").unwrap();
            cut(x, false);
            x.float_val = vec![1.0];
        })
    });
    let series = &report.series[0];
    assert_eq!(series.causes[0].rule, "D2", "{:?}", series.causes);
    assert!(series.ruled_out.iter().any(|r| r.rule == "D1"));
}

#[test]
fn a_constant_beside_values_that_vary_is_not_blamed() {
    let mask = |request: &mut PredictRequest| {
        let ones = floats(vec![1.0], &[4, 8]);
        request.inputs.insert("mask".to_owned(), ones);
    };
    let report = after_health(100, |n| with(n, flat, mask));
    let series = &report.series[0];
    assert_eq!(series.state, State::Firing);
    assert!(series.causes.iter().all(|c| c.rule != "D2"));
    assert!(series.ruled_out.iter().any(|r| r.rule == "D2"));
    assert_eq!(findings(&report), []);
}

#[test]
fn compressed_and_constant_inputs_of_health_are_not_blamed() {
    // One input in twenty is constant and was compressed to a value; the others end in zeros.
    let report = after_health(400, |n| {
        with(n, healthy, |request| {
            let x = request.inputs.get_mut("x").unwrap();
            let values = if n.is_multiple_of(20) { 1 } else { 30 };
            x.float_val.truncate(values);
        })
    });
    assert!(!findings(&report).contains(&("D2", false)));
    // A client that has always sent one value, and a model that falls flat.
    let mut analyzer = analyzer();
    for n in 0..600 {
        let reply = if n < 500 { healthy } else { flat };
        analyzer.observe(&with(n, reply, |request| {
            cut(request.inputs.get_mut("x").unwrap(), false);
        }));
    }
    let report = analyzer.report(0);
    assert!(!findings(&report).contains(&("D2", false)));
    let causes = report.series.iter().flat_map(|series| &series.causes);
    assert!(causes.into_iter().all(|cause| cause.rule != "D2"));
}
