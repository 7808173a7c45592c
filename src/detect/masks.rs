//! Infinity that is meant: actions that are masked, the logarithm of a chance of nothing, what is out
//! of reach.

use super::rows::{Numbers, OutputRows};

/// Rows that decide whether it is.
const FIRST: u32 = 64;
/// One row in so many is no accident.
const SHARE: u32 = 8;

/// Whether infinity of one sign is a value of this output as any other: an eighth of its first rows
/// hold it, and an eighth are finite where the row is that one number. A model that only later gives it
/// is not meant to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Masks {
    rows: u32,
    masked: u32,
    finite: u32,
}

impl Masks {
    /// Takes the rows of a call, of which those that are masked become finite where that is meant.
    pub fn allow(&mut self, outputs: &mut OutputRows) {
        for numbers in &mut outputs.numbers {
            let masked = matches!(numbers, Numbers::Masked | Numbers::Infinite);
            if self.rows < FIRST {
                self.rows += 1;
                self.masked += u32::from(masked);
                self.finite += u32::from(numbers.are_finite());
            }
            let often = |rows: u32| SHARE * rows > self.rows;
            let beside = *numbers == Numbers::Masked || often(self.finite);
            if masked && often(self.masked) && beside {
                *numbers = Numbers::Finite;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of `found` that are finite, of a thousand.
    fn finite(mut masks: Masks, found: impl Fn(u32) -> Numbers) -> usize {
        let mut outputs = OutputRows {
            numbers: (0..1000).map(found).collect(),
            ..OutputRows::default()
        };
        masks.allow(&mut outputs);
        outputs.numbers.iter().filter(|n| n.are_finite()).count()
    }

    #[test]
    fn a_mask_is_meant_only_from_the_start() {
        let fresh = Masks::default();
        assert_eq!(finite(fresh, |_| Numbers::Masked), 1000);
        let late = |row| match row {
            0..64 => Numbers::Finite,
            _ => Numbers::Masked,
        };
        assert_eq!(finite(fresh, late), 64);
        assert_eq!(finite(fresh, |_| Numbers::Broken), 0);
    }

    #[test]
    fn one_number_may_be_infinite_beside_rows_that_are_not() {
        let fresh = Masks::default();
        let some = |row| match row % 5 {
            0 | 1 => Numbers::Finite,
            _ => Numbers::Infinite,
        };
        assert_eq!(finite(fresh, some), 1000);
        assert_eq!(finite(fresh, |_| Numbers::Infinite), 0, "nothing else");
    }
}
