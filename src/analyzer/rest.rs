//! Columns that stand still in one part of the calls and vary in the rest.

use super::history::CallFact;
use crate::fingerprint::call::InputFact;
use std::collections::BTreeMap;

/// A column as common at one value as it is stands still in this many calls less often than this
/// by chance.
const BY_CHANCE: f64 = 1e-3;

/// Whether some column of the inputs in `part` holds one value throughout and varies in `rest`:
/// by chance it hardly does. The more calls there are of each, the finer this is.
pub(super) fn rests(part: &[&CallFact], rest: &[&CallFact]) -> bool {
    let [first, ..] = part else {
        return false;
    };
    let names = first.inputs.iter().filter(|input| input.control.is_none());
    names.into_iter().any(|input| {
        columns(input).into_iter().any(|(column, print)| {
            let of = |call: &CallFact| print_of(call, &input.name, column);
            if print == 0 || part.iter().any(|call| of(call) != Some(print)) {
                return false;
            }
            let mut common: BTreeMap<u8, u32> = BTreeMap::new();
            let known: Vec<u8> = rest.iter().filter_map(|call| of(call)).collect();
            for print in known.iter().filter(|print| **print != 0) {
                *common.entry(*print).or_insert(0) += 1;
            }
            let most = common.into_values().max().unwrap_or(0);
            let share = f64::from(most + 1) / (known.len() + 2) as f64;
            share.powi(part.len() as i32) < BY_CHANCE
        })
    })
}

/// A column: its number, or the name of a feature.
#[derive(Clone, Copy)]
enum Column<'a> {
    At(usize),
    Feature(&'a str),
}

/// The columns of an input and what they hold.
fn columns(input: &InputFact) -> Vec<(Column<'_>, u8)> {
    let prints = input.held.iter().copied();
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

/// What a column of this input holds in a call; `None` where the call has no such column.
fn print_of(call: &CallFact, name: &str, column: Column<'_>) -> Option<u8> {
    let input = call.inputs.iter().find(|input| input.name == name)?;
    let at = match (column, &input.features) {
        (Column::At(at), None) => at,
        (Column::Feature(feature), Some(names)) => {
            names.binary_search_by(|n| n.as_str().cmp(feature)).ok()?
        }
        _ => return None,
    };
    input.held.get(at).copied()
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
