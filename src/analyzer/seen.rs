//! What a series was fed with while it was well: which inputs, encoded how, in which range. The
//! rules of diagnosis compare what it is fed with since the trouble began.

use crate::fingerprint::call::{InputFact, Range};
use std::collections::BTreeMap;

/// Ways of calling that are told apart; a client with more of them is no use for comparison.
const SHAPES: usize = 16;
/// Values of control inputs that are told apart.
const CONTROLS: usize = 16;
/// Calls that stand together. What is newer than one to two blocks may belong to a trouble that
/// no test has seen yet.
const BLOCK: u32 = 32;
/// The onset of a trouble is known to so many rows.
const ABOUT: u64 = 64;
/// Fewer calls say nothing about a range.
const ENOUGH: u64 = 32;
/// A typical size that grew or shrank by this factor is another unit.
const FACTOR: f64 = 6.0;
/// A bound that moved by this share of the range is another scale.
const MOVED: f64 = 0.7;

/// Which inputs a call had, and how they were encoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub inputs: Vec<String>,
    /// Inputs with values that TensorFlow does not read, or with none at all.
    pub unread: Vec<String>,
    /// See [`is_narrow`].
    pub narrow: bool,
    /// Feature names of the tf.Examples, by input.
    pub features: BTreeMap<String, Vec<String>>,
}

/// A shape and when it was used.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub shape: Shape,
    pub first_row: u64,
    pub rows: u64,
    /// The last row, and how many of the newest in a row got the same output as that.
    pub last_row: u64,
    pub run: (u64, u64),
}

/// Typical values of one input, over calls.
#[derive(Debug, Clone, Copy, Default)]
struct Typical {
    calls: u64,
    low: f64,
    high: f64,
    size: f64,
    /// Blocks that lay elsewhere though all was well.
    moves: u32,
}

/// What a series was fed with.
#[derive(Debug, Default)]
pub(super) struct Seen {
    used: Vec<Used>,
    /// The way of the newest call.
    newest: Option<usize>,
    /// Values of control inputs, and in which row each came first.
    controls: Vec<(String, String, u64)>,
    known: BTreeMap<String, Typical>,
    /// The last whole block and the one being filled.
    last: BTreeMap<String, Typical>,
    filling: BTreeMap<String, Typical>,
    filled: u32,
}

impl Shape {
    pub(super) fn of(inputs: &[InputFact]) -> Self {
        let features = |input: &InputFact| Some((input.name.clone(), input.features.clone()?));
        Shape {
            inputs: inputs.iter().map(|input| input.name.clone()).collect(),
            unread: inputs
                .iter()
                .filter(|input| is_unread(input))
                .map(|input| input.name.clone())
                .collect(),
            narrow: is_narrow(inputs),
            features: inputs.iter().filter_map(features).collect(),
        }
    }
}

/// Values in a field that is not read while its own lacks some, or none where there should be some.
pub(super) fn is_unread(input: &InputFact) -> bool {
    input.given < input.declared
        && (input.foreign.is_some() || input.given == 0 && input.declared > 1)
}

/// One value stands for every element of a row, and no other input holds more than one either.
/// A constant mask beside real values is sent so by anybody who compresses tensors.
pub(super) fn is_narrow(inputs: &[InputFact]) -> bool {
    let wide = |input: &InputFact| {
        let rows = input.dims.first().copied().unwrap_or(1);
        input.given == 1 && input.declared > rows
    };
    inputs.iter().any(wide)
        && inputs
            .iter()
            .all(|input| input.given <= 1 && !is_unread(input))
}

impl Seen {
    /// Takes a call of `rows` rows, the first of them being row `row` of the series. `well` tells
    /// that nothing speaks for trouble.
    pub(super) fn observe(&mut self, inputs: &[InputFact], row: u64, rows: u64, well: bool) {
        let shape = Shape::of(inputs);
        let known = self.used.iter().position(|used| used.shape == shape);
        self.newest = match known {
            Some(at) => Some(at),
            None if self.used.len() < SHAPES => {
                self.used.push(Used {
                    shape,
                    first_row: row,
                    rows: 0,
                    last_row: row,
                    run: (0, 0),
                });
                Some(self.used.len() - 1)
            }
            None => None,
        };
        if let Some(at) = self.newest {
            self.used[at].rows += rows;
            self.used[at].last_row = row;
        }
        for input in inputs {
            if let Some(value) = &input.control {
                let known = |(n, v, _): &(String, String, u64)| *n == input.name && v == value;
                if self.controls.len() < CONTROLS && !self.controls.iter().any(known) {
                    self.controls.push((input.name.clone(), value.clone(), row));
                }
            }
        }
        if !well {
            self.last.clear();
            self.filling.clear();
            self.filled = 0;
            return;
        }
        for input in inputs {
            if let Some(range) = &input.range {
                self.filling
                    .entry(input.name.clone())
                    .or_default()
                    .add(range);
            }
        }
        self.filled += 1;
        if self.filled == BLOCK {
            self.filled = 0;
            let block = std::mem::replace(&mut self.last, std::mem::take(&mut self.filling));
            for (name, typical) in block {
                let known = self.known.entry(name).or_default();
                known.moves += u32::from(known.against(&typical));
                known.merge(&typical);
            }
        }
    }

    /// Takes the outputs of the newest call.
    pub(super) fn answered(&mut self, outputs: &[u64]) {
        let used = self.newest.and_then(|at| self.used.get_mut(at));
        if let Some(used) = used {
            for output in outputs {
                let rows = if used.run.0 == *output { used.run.1 } else { 0 };
                used.run = (*output, rows + 1);
            }
        }
    }

    /// The output of the newest rows of such a way of calling, and how many in a row got it.
    pub(super) fn run(&self, keep: &dyn Fn(&Shape) -> bool) -> Option<(u64, u64)> {
        let kept = self.used.iter().filter(|used| keep(&used.shape));
        kept.max_by_key(|used| used.last_row).map(|used| used.run)
    }

    /// Ways of calling that were in use before `row`; `None` stands for the end.
    pub(super) fn before(&self, row: Option<u64>) -> impl Iterator<Item = (&Shape, u64)> {
        self.used.iter().filter_map(move |used| {
            let rows = row.map_or(used.rows, |row| {
                row.saturating_sub(used.first_row).min(used.rows)
            });
            (rows > 0).then_some((&used.shape, rows))
        })
    }

    /// The row at which such a way of calling was first used.
    pub(super) fn first(&self, keep: &dyn Fn(&Shape) -> bool) -> Option<u64> {
        let kept = self.used.iter().filter(|used| keep(&used.shape));
        kept.map(|used| used.first_row).min()
    }

    /// Rows before the first call whose inputs held one value each, if ever there was one.
    pub(super) fn before_narrow(&self) -> u64 {
        let narrow = self.used.iter().filter(|used| used.shape.narrow);
        narrow.map(|used| used.first_row).min().unwrap_or(0)
    }

    /// Rows up to `row` since a control input first had this value; `None` stands for the end.
    pub(super) fn control_rows(&self, name: &str, value: &str, row: Option<u64>) -> u64 {
        let mut known = self.controls.iter();
        let Some((.., first)) = known.find(|(n, v, _)| n == name && v == value) else {
            return 0;
        };
        let rows = row.unwrap_or_else(|| self.used.iter().map(|used| used.rows).sum());
        rows.saturating_sub(*first)
    }

    /// A control input that has another value in most of `calls`, which came about row `row`, in
    /// words.
    pub(super) fn control_changed(&self, row: u64, calls: &[&[InputFact]]) -> Option<String> {
        calls.last()?.iter().find_map(|input| {
            let now = input.control.as_ref()?;
            let has = |call: &&&[InputFact]| {
                let mut these = call.iter().filter(|i| i.name == input.name);
                these.any(|i| i.control.as_ref() == Some(now))
            };
            let most = calls.iter().filter(has).count() * 10 >= calls.len() * 6;
            let known = || {
                self.controls
                    .iter()
                    .filter(|(name, ..)| *name == input.name)
            };
            let (.., came) = known().find(|(_, value, _)| value == now)?;
            let (_, before, _) = known().find(|(_, value, first)| value != now && first < came)?;
            (most && *came > 0 && *came + ABOUT >= row)
                .then(|| format!("`{}` went from {before} to {now}", input.name))
        })
    }

    /// How `calls` differ from what the series knew, in words.
    pub(super) fn shift<'a>(&self, calls: impl Iterator<Item = &'a [InputFact]>) -> Option<String> {
        let mut now: BTreeMap<&str, Typical> = BTreeMap::new();
        for inputs in calls {
            for input in inputs.iter().filter(|input| input.control.is_none()) {
                if let Some(range) = &input.range {
                    now.entry(&input.name).or_default().add(range);
                }
            }
        }
        let words = now.iter().filter_map(|(name, now)| {
            let known = self.known.get(*name).filter(|known| !known.wanders())?;
            known.against(now).then(|| {
                format!(
                    "`{name}` lay between {} and {} (typical size {}), now between {} and {} (typical size {})",
                    short(known.low), short(known.high), short(known.size),
                    short(now.low), short(now.high), short(now.size)
                )
            })
        });
        let words: Vec<String> = words.take(3).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Whether enough is known to tell that nothing shifted.
    pub(super) fn knows(&self) -> bool {
        let stays = |typical: &Typical| typical.calls >= ENOUGH && !typical.wanders();
        self.known.values().any(stays)
    }
}

impl Typical {
    fn add(&mut self, range: &Range) {
        self.merge(&Typical {
            calls: 1,
            low: f64::from(range.low),
            high: f64::from(range.high),
            size: f64::from(range.size),
            moves: 0,
        });
    }

    fn merge(&mut self, other: &Typical) {
        if other.calls == 0 {
            return;
        }
        self.calls += other.calls;
        let share = other.calls as f64 / self.calls as f64;
        self.low += (other.low - self.low) * share;
        self.high += (other.high - self.high) * share;
        self.size += (other.size - self.size) * share;
    }

    /// A sequence number or a clock lies elsewhere all the time: that it moved tells nothing.
    fn wanders(&self) -> bool {
        self.moves >= 2
    }

    /// Whether `now` is on another scale.
    fn against(&self, now: &Typical) -> bool {
        if self.calls < ENOUGH || now.calls < 8 {
            return false;
        }
        let width = (self.high - self.low)
            .max(1e-3 * self.high.abs())
            .max(1e-12);
        let factor = (now.size.max(1e-12) / self.size.max(1e-12)).ln().abs();
        let moved = (now.low - self.low).abs().max((now.high - self.high).abs());
        factor > FACTOR.ln() || moved > MOVED * width && now.calls >= 16
    }
}

fn short(value: f64) -> String {
    format!("{value:.3}")
}

#[cfg(test)]
mod tests;
