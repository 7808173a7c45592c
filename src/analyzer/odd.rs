//! Odd input: nothing breaks, everything is counted.

use super::tests::{analyzer, asking, exchange, floats, healthy, of_model, spec};
use super::*;
use crate::proto::tensorflow::serving::{PredictRequest, PredictResponse};
use crate::proto::tensorflow::{DataType, TensorProto};
use crate::report::{Kind, RowIs};
use prost::Message;

/// A call with these tensors.
fn call(
    n: u64,
    inputs: Vec<f32>,
    of: &[usize],
    outputs: &[(&str, Vec<f32>, &[usize])],
) -> Exchange {
    let request = PredictRequest {
        model_spec: spec(None),
        inputs: [("x".to_owned(), floats(inputs, of))].into(),
        output_filter: vec![],
    };
    let outputs = outputs.iter();
    let outputs =
        outputs.map(|(name, values, dims)| ((*name).to_owned(), floats(values.clone(), dims)));
    let response = PredictResponse {
        model_spec: spec(Some(3)),
        outputs: outputs.collect(),
    };
    Exchange {
        request: request.encode_to_vec().into(),
        response: response.encode_to_vec().into(),
        ..exchange(n, healthy)
    }
}

fn noise(n: u64, count: usize) -> Vec<f32> {
    let at = |i| ((n as f32 * 12.9 + i as f32 * 78.2).sin() * 43758.547).fract();
    (0..count).map(at).collect()
}

fn fired(analyzer: &Analyzer) -> Vec<(String, Option<Kind>, u64)> {
    let steps = analyzer.report(0).transitions.into_iter();
    let firing = steps.filter(|step| step.to == State::Firing);
    firing.map(|s| (s.output, s.kind, s.rows)).collect()
}

#[test]
fn nan_denormal_and_infinite_inputs_are_inputs_like_any() {
    let mut analyzer = analyzer();
    let odd = [
        f32::NAN,
        f32::from_bits(1),
        -0.0,
        f32::INFINITY,
        f32::MAX,
        -f32::MAX,
    ];
    for n in 0..1200 {
        let mut inputs = noise(n, 32);
        for (i, value) in odd.iter().enumerate() {
            inputs[(n as usize * 5 + i * 7) % 32] = *value;
        }
        let outputs = noise(n + 7, 12);
        let outcome = analyzer.observe(&call(n, inputs, &[4, 8], &[("y", outputs, &[4, 3])]));
        assert_eq!((outcome.skipped, outcome.rows), (None, 4));
    }
    assert_eq!(fired(&analyzer), []);
    assert_eq!(analyzer.report(0).series[0].baseline.state, "ready");
}

#[test]
fn masked_actions_are_scores_like_any_and_nan_among_them_is_not() {
    let mut analyzer = analyzer();
    let masked = |n: u64| {
        let mut scores = noise(n + 7, 16);
        (0..4).for_each(|row| scores[row * 4 + (n as usize + row) % 4] = f32::NEG_INFINITY);
        scores
    };
    let say = |n, scores| call(n, noise(n, 32), &[4, 8], &[("y", scores, &[4, 4])]);
    for n in 0..1200 {
        analyzer.observe(&say(n, masked(n)));
    }
    assert_eq!(fired(&analyzer), []);
    let report = analyzer.report(0);
    assert_eq!(report.series[0].baseline.state, "ready");
    for n in 1200..1220 {
        let mut scores = masked(n);
        scores
            .iter_mut()
            .filter(|s| s.is_finite())
            .for_each(|s| *s = f32::NAN);
        analyzer.observe(&say(n, scores));
    }
    let (_, kind, rows) = fired(&analyzer).remove(0);
    assert_eq!(kind, Some(Kind::NonFinite));
    assert!(rows <= 4800 + 32, "{rows}");
}

#[test]
fn an_output_of_the_request_is_not_blamed_on_its_rows() {
    let mut analyzer = analyzer();
    // It follows the first row, and all rows of a reply hold it.
    let of = |n: u64| {
        let inputs = noise(n, 32);
        let row: Vec<f32> = (0..4).map(|i| inputs[i] * 2.0 + inputs[i + 1]).collect();
        row.repeat(4)
    };
    let say = |n, outputs| call(n, noise(n, 32), &[4, 8], &[("y", outputs, &[4, 4])]);
    for n in 0..1200 {
        analyzer.observe(&say(n, of(n)));
    }
    assert_eq!(fired(&analyzer), []);
    for n in 1200..1600 {
        analyzer.observe(&say(n, of(n % 3)));
    }
    let series = &analyzer.report(0).series[0];
    assert_eq!(series.state, State::Firing);
    let rules: Vec<_> = series.causes.iter().map(|c| c.rule.as_str()).collect();
    assert!(!rules.contains(&"D23"), "{rules:?}");
}

#[test]
fn empty_batches_and_tensors_without_elements_are_counted() {
    let mut analyzer = analyzer();
    for (inputs, outputs) in [([0, 8], [0, 3]), ([4, 0], [4, 3]), ([4, 8], [4, 0])] {
        let values = |dims: [usize; 2]| noise(1, dims[0] * dims[1]);
        let one = call(
            1,
            values(inputs),
            &inputs,
            &[("y", values(outputs), &outputs)],
        );
        assert_eq!(analyzer.observe(&one).skipped, Some(Skip::Empty));
    }
    assert_eq!(analyzer.report(0).observed.skipped["empty"], 3);
}

#[test]
fn shapes_that_change_from_call_to_call_are_no_alarm() {
    let mut analyzer = analyzer();
    for n in 0..1500 {
        let (length, width) = (1 + n as usize % 7, 1 + n as usize % 5);
        let inputs = noise(n, 4 * length);
        let outputs = noise(n + 3, 4 * width);
        let dims = [4, length];
        let outcome = analyzer.observe(&call(n, inputs, &dims, &[("y", outputs, &[4, width])]));
        assert_eq!((outcome.skipped, outcome.rows), (None, 4));
    }
    assert_eq!(fired(&analyzer), []);
}

#[test]
fn sequences_of_any_length_are_learned_and_a_flat_one_is_found() {
    let mut analyzer = analyzer();
    for n in 0..1300 {
        let length = 6 + n as usize % 5;
        let outputs = if n < 1200 {
            noise(n + 3, 4 * length * 4)
        } else {
            vec![0.3; 4 * length * 4]
        };
        let dims = [4, length, 4];
        analyzer.observe(&call(
            n,
            noise(n, 4 * length),
            &[4, length],
            &[("y", outputs, &dims)],
        ));
    }
    let found = fired(&analyzer);
    assert!(
        found.len() == 1 && (4800..=4900).contains(&found[0].2),
        "{found:?}"
    );
}

#[test]
fn one_output_of_three_collapses_alone() {
    let mut analyzer = analyzer();
    for n in 0..1000 {
        let flat = if n < 900 {
            noise(n + 1, 12)
        } else {
            vec![0.25; 12]
        };
        let outputs = [
            ("a", noise(n + 2, 12), &[4, 3][..]),
            ("b", flat, &[4, 3][..]),
            ("c", noise(n + 3, 4), &[4, 1][..]),
        ];
        analyzer.observe(&call(n, noise(n, 32), &[4, 8], &outputs));
    }
    let found = fired(&analyzer);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].0.as_str(), found[0].1),
        ("b", Some(Kind::Constant))
    );
}

#[test]
fn a_batch_that_is_not_first_makes_the_reply_one_row_and_the_report_says_so() {
    let mut analyzer = analyzer();
    for n in 0..400 {
        // Time first: 6 steps of 4 sequences, and a score for each sequence.
        let scores = if n < 300 {
            noise(n + 1, 8)
        } else {
            vec![0.5; 8]
        };
        analyzer.observe(&call(
            n,
            noise(n, 48),
            &[6, 4, 2],
            &[("y", scores, &[4, 2])],
        ));
    }
    let series = &analyzer.report(0).series[0];
    assert_eq!(
        (series.row_is, series.kind),
        (RowIs::WholeReply, Some(Kind::Constant))
    );
    assert!((300..=364).contains(&fired(&analyzer)[0].2));
}

#[test]
fn ten_thousand_numbers_wide() {
    let mut analyzer = analyzer();
    for n in 0..90 {
        let row = if n < 10 {
            noise(n + 1, 10_000)
        } else {
            vec![1e-4; 10_000]
        };
        analyzer.observe(&call(n, noise(n, 8), &[1, 8], &[("y", row, &[1, 10_000])]));
    }
    assert_eq!(fired(&analyzer)[0].1, Some(Kind::Constant));
}

#[test]
fn more_models_than_fit_leave_and_are_counted() {
    let mut analyzer = analyzer();
    let one = exchange(0, healthy);
    let mut evicted = 0;
    for n in 0..3000_u64 {
        let outcome = analyzer.observe(&of_model(one.clone(), &format!("model-{n}")));
        evicted += outcome.evicted;
    }
    assert_eq!((evicted, analyzer.series_count()), (3000 - 256, 256));
    assert_eq!(analyzer.report(0).observed.calls, 3000);
}

#[test]
fn what_the_inputs_hold_themselves_is_not_the_models_doing() {
    let text = |cell: &'static str| {
        move |request: &mut PredictRequest, n: u64| {
            let lines = (0..4).map(|row| format!("{n}.{row},{cell}").into_bytes());
            let x = request.inputs.get_mut("x").unwrap();
            *x = TensorProto {
                dtype: DataType::DtString as i32,
                tensor_shape: floats(vec![], &[4]).tensor_shape,
                string_val: lines.collect(),
                ..TensorProto::default()
            };
        }
    };
    let last = |request: &mut PredictRequest, _: u64| {
        // Too wide for its range to be told from every element.
        let x = request.inputs.get_mut("x").unwrap();
        let mut values: Vec<f32> = (0..4 * 701)
            .map(|i| (i as f32).sin() + x.float_val[0])
            .collect();
        values[4 * 701 - 2] = f32::NAN;
        *x = floats(values, &[4, 701]);
    };
    let first = |change: &dyn Fn(&mut PredictRequest, u64)| {
        let mut analyzer = analyzer();
        for n in 0..60 {
            let nan = exchange(n, |_| vec![f32::NAN, 0.3, 0.5]);
            analyzer.observe(&asking(nan, |request| change(request, n)));
        }
        let report = analyzer.report(60_000_000_000);
        assert_eq!(report.series[0].kind, Some(Kind::NonFinite));
        let cause = report.series[0].causes[0].clone();
        (cause.rule, cause.certain)
    };
    assert_eq!(first(&|_, _| ()), ("D21".to_owned(), true));
    // What a model makes of text is not known.
    assert_eq!(first(&text("1.5")), ("D21".to_owned(), false));
    assert_eq!(first(&text("nan")), ("D9".to_owned(), false));
    assert_eq!(first(&last), ("D9".to_owned(), false));
}

#[test]
fn rows_of_zeros_that_a_rare_object_breaks_are_no_collapse() {
    let mut analyzer = analyzer();
    let mut rng = fastrand::Rng::with_seed(11);
    for n in 0..3000 {
        // Scores of a detector: padded to eight, and one scene in a hundred holds anything.
        let mut scores = vec![0.0; 8];
        if n > 300 && rng.f32() < 0.01 {
            scores[0] = 0.5 + rng.f32() / 2.0;
        }
        let outputs = [("scores", scores, &[1, 8][..])];
        analyzer.observe(&call(n, noise(n, 8), &[1, 8], &outputs));
    }
    assert_eq!(fired(&analyzer), []);
}

#[test]
fn an_alarm_before_any_history_ends_with_a_handful_of_other_outputs() {
    let mut analyzer = analyzer();
    for n in 0..2000 {
        // The row of a table for whoever is not in it: one in fifty is, of those that come later.
        let known = n > 150 && n % 50 == 0;
        let found = if known {
            noise(n, 4)
        } else {
            vec![0.3, 0.1, 0.7, 0.2]
        };
        analyzer.observe(&call(
            n,
            noise(n, 8),
            &[1, 8],
            &[("row", found, &[1, 4][..])],
        ));
    }
    let steps = analyzer.report(0).transitions;
    let states: Vec<_> = steps.iter().map(|step| (step.to, step.rows)).collect();
    assert_eq!(fired(&analyzer).len(), 1, "{states:?}");
    let resolved = states.iter().find(|(to, _)| *to == State::Resolved);
    assert_eq!(resolved.map(|(_, rows)| *rows), Some(351), "{states:?}");
    assert_ne!(analyzer.report(0).series[0].state, State::Firing);
}

#[test]
fn a_sensor_at_rest_beside_a_clock_is_no_flat_model() {
    let mut analyzer = analyzer();
    for n in 0..900 {
        // It moves by day, and a clock goes on beside it.
        let moves = !(300..=500).contains(&n);
        let mut inputs = noise(if moves { n } else { 300 }, 7);
        inputs.push(n as f32);
        let outputs = noise(if moves { n } else { 300 }, 3);
        analyzer.observe(&call(n, inputs, &[1, 8], &[("y", outputs, &[1, 3])]));
    }
    assert_eq!(fired(&analyzer), []);
    // A model that goes flat while all columns move is found as before.
    for n in 900..1100 {
        let inputs = noise(n, 8);
        analyzer.observe(&call(
            n,
            inputs,
            &[1, 8],
            &[("y", vec![0.3, 0.2, 0.5], &[1, 3])],
        ));
    }
    assert_eq!(fired(&analyzer).len(), 1);
}

#[test]
fn batches_that_begin_alike_are_no_client_that_repeats_itself() {
    let mut analyzer = analyzer();
    for n in 0..200 {
        let mut inputs = noise(n, 32);
        inputs[..16].fill(0.0);
        let outputs = inputs.chunks(8).flat_map(|row| [row[0] + row[1], row[2]]);
        let outputs = outputs.collect();
        analyzer.observe(&call(n, inputs, &[4, 8], &[("y", outputs, &[4, 2])]));
        let report = analyzer.report(0);
        assert_eq!(report.series[0].state, State::Inactive, "{n}");
    }
    for n in 200..240 {
        let same = call(n, noise(7, 32), &[4, 8], &[("y", noise(8, 8), &[4, 2])]);
        analyzer.observe(&same);
    }
    let report = analyzer.report(0);
    assert_eq!(report.series[0].kind, Some(Kind::InputCollapse));
}

#[test]
fn what_is_out_of_reach_from_the_first_reply_on_is_a_value() {
    let mut analyzer = analyzer();
    for n in 0..1500 {
        let far = |value: f32| if value > 0.2 { f32::INFINITY } else { value };
        let near = noise(n + 3, 6).into_iter().map(far).collect();
        let log = if n % 5 < 3 {
            f32::NEG_INFINITY
        } else {
            noise(n, 1)[0]
        };
        let outputs: [(&str, Vec<f32>, &[usize]); 2] =
            [("distance", near, &[1, 6]), ("log", vec![log], &[1, 1])];
        analyzer.observe(&call(n, noise(n, 8), &[1, 8], &outputs));
    }
    assert_eq!(fired(&analyzer), []);
}
