//! Columns that stand still in one part of the calls and vary in the rest.

use super::history::CallFact;
use crate::fingerprint::call::{InputFact, ROWS_HELD as ROWS};
use std::collections::BTreeMap;

/// So seldom a column is at rest by chance, over all columns of an input.
const BY_CHANCE: f64 = 1e-3;
/// Fewer calls do not tell how common a value is.
const ENOUGH: usize = 16;

/// Whether some column of the inputs in `part` holds one value throughout and varies in `rest`:
/// by chance it hardly does. The more calls there are of each, the finer this is.
pub(super) fn rests(part: &[&CallFact], rest: &[&CallFact]) -> bool {
    let [first, ..] = part else {
        return false;
    };
    let mut inputs = first.inputs.iter().filter(|input| input.control.is_none());
    inputs.any(|input| {
        let columns = columns(input);
        let seldom = BY_CHANCE / columns.len().max(1) as f64;
        columns.into_iter().any(|(column, print)| {
            let seen = |call: &CallFact| seen(call, &input.name, column);
            let still = |call: &&CallFact| seen(call).is_some_and(|(_, of)| of == print);
            if print == 0 || !part.iter().all(still) {
                return false;
            }
            // One row holds some value, many seldom share one: each is held against its like.
            let chance: f64 = [1, ROWS]
                .into_iter()
                .map(|rows| {
                    let alike = |calls: &[&CallFact]| -> Vec<u8> {
                        let seen = calls.iter().filter_map(|call| seen(call));
                        let alike = seen.filter(|(of, _)| *of == rows);
                        alike.map(|(_, print)| print).collect()
                    };
                    share(&alike(rest)).powi(alike(part).len() as i32)
                })
                .product();
            chance < seldom
        })
    })
}

/// In which share of the calls a column holds the value that it holds most often; 1 where too few
/// tell.
fn share(prints: &[u8]) -> f64 {
    if prints.len() < ENOUGH {
        return 1.0;
    }
    let mut common: BTreeMap<u8, u32> = BTreeMap::new();
    for print in prints.iter().filter(|print| **print != 0) {
        *common.entry(*print).or_insert(0) += 1;
    }
    let most = common.into_values().max().unwrap_or(0);
    f64::from(most + 1) / (prints.len() + 2) as f64
}

/// A column: its number, or the name of a feature.
#[derive(Clone, Copy)]
enum Column<'a> {
    At(usize),
    Feature(&'a str),
}

/// The columns of an input and what they hold.
fn columns(input: &InputFact) -> Vec<(Column<'_>, u8)> {
    let prints = input.columns.iter().map(|column| column.held);
    match &input.features {
        Some(names) => {
            let names = names.iter().map(|name| Column::Feature(name));
            names.zip(prints).collect()
        }
        None => prints
            .enumerate()
            .map(|(at, print)| (Column::At(at), print))
            .collect(),
    }
}

/// Rows of a call that were looked at, and what they hold in a column of this input; `None` where the
/// call has no such column.
fn seen(call: &CallFact, name: &str, column: Column<'_>) -> Option<(u64, u8)> {
    let input = call.inputs.iter().find(|input| input.name == name)?;
    let at = match (column, &input.features) {
        (Column::At(at), None) => at,
        (Column::Feature(feature), Some(names)) => {
            names.binary_search_by(|n| n.as_str().cmp(feature)).ok()?
        }
        _ => return None,
    };
    let rows = match column {
        Column::At(_) => input.dims.first().map_or(1, |rows| ROWS.min(*rows)),
        Column::Feature(_) => 1,
    };
    Some((rows, input.columns.get(at)?.held))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{INPUTS, analyzer, answering, asking, exchange, floats, healthy};
    use crate::proto::flatline::v1::Exchange;
    use crate::proto::tensorflow::{DataType, TensorProto};

    /// The cause of a flat part that stands first, and whether it is certain.
    fn first(scene: impl Fn(u64, bool) -> Exchange) -> (String, bool) {
        let mut analyzer = analyzer();
        for n in 0..3_700 {
            let odd = n > 3_300 && n % 2 == 0;
            let flat = vec![0.2, 0.3, 0.5];
            analyzer.observe(&answering(scene(n, odd), |reply| {
                let scores: Vec<f32> = match odd {
                    true => flat,
                    false => healthy(&numbers(n)),
                };
                reply.outputs = [("scores".to_owned(), floats(scores, &[1, 3]))].into();
            }));
        }
        let report = analyzer.report(0);
        let cause = report.series[0].causes.first().cloned();
        cause.map_or(Default::default(), |cause| (cause.rule, cause.certain))
    }

    fn numbers(n: u64) -> Vec<f32> {
        let at = |i| ((n as f32 * 31.7 + i as f32 * 17.3).sin() * 43758.547).fract();
        (0..INPUTS).map(at).collect()
    }

    /// Every other call has another control value, and some columns at rest.
    fn controlled(dead: usize) -> impl Fn(u64, bool) -> Exchange {
        move |n, odd| {
            asking(exchange(n, healthy), |request| {
                let mut x = numbers(n);
                if odd {
                    x[..dead].fill(0.25);
                }
                let phase = floats(vec![if odd { 1.0 } else { 0.0 }], &[]);
                let x = floats(x, &[1, INPUTS]);
                request.inputs = [("x".to_owned(), x), ("phase".to_owned(), phase)].into();
            })
        }
    }

    /// Every other tf.Example names a feature otherwise, and some of the rest are at rest.
    fn named(dead: usize) -> impl Fn(u64, bool) -> Exchange {
        let field = |number: u8, bytes: &[u8]| {
            let mut out = vec![number << 3 | 2];
            prost::encode_length_delimiter(bytes.len(), &mut out).unwrap();
            [out, bytes.to_vec()].concat()
        };
        move |n, odd| {
            asking(exchange(n, healthy), |request| {
                let entries = numbers(n).into_iter().enumerate().map(|(i, value)| {
                    let value = if odd && (1..=dead).contains(&i) {
                        0.25
                    } else {
                        value
                    };
                    let name = if odd && i == 0 {
                        "other".to_owned()
                    } else {
                        format!("f{i}")
                    };
                    let list = field(2, &field(1, &value.to_le_bytes()));
                    let entry = [field(1, name.as_bytes()), field(2, &list)].concat();
                    field(1, &entry)
                });
                let features: Vec<u8> = entries.flatten().collect();
                let strings = TensorProto {
                    dtype: DataType::DtString as i32,
                    string_val: vec![field(1, &features)],
                    ..floats(vec![], &[1])
                };
                request.inputs = [("x".to_owned(), strings)].into();
            })
        }
    }

    #[test]
    fn a_part_with_a_dead_column_is_not_proved_by_its_control_value() {
        assert_eq!(first(controlled(0)), ("D7".to_owned(), true));
        assert_eq!(first(controlled(1)), ("D7".to_owned(), false));
    }

    #[test]
    fn a_part_with_a_dead_feature_is_not_proved_by_its_names() {
        assert_eq!(first(named(0)), ("D4".to_owned(), true));
        assert_eq!(first(named(1)), ("D4".to_owned(), false));
    }
}
