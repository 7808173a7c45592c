//! A row of any width as a few numbers: a count-sketch.
//!
//! Source: Charikar, Chen, Farach-Colton, "Finding frequent items in data streams" (2002): each
//! column is added to one of the buckets with a sign of its own, so that distances survive in
//! expectation. The hash is fixed: sketches must agree between runs, and carry no secret.

use crate::codec::dtype::DType;
use crate::codec::tensor::{Given, Row};
use crate::detect::rows::SKETCH;
use crate::proto::tensorflow::DataType;

/// Columns of one tensor's row that are looked at; wider rows are read with a stride.
pub const MOST_COLUMNS: u64 = 512;

/// Bytes of a string that are looked at.
const MOST_BYTES: usize = 1024;

/// Where column `column` goes among `buckets`, and with which sign.
#[must_use]
#[inline]
pub fn bucket(column: u64, buckets: usize) -> (usize, f32) {
    let hash = mix(column);
    (
        (hash % buckets as u64) as usize,
        if hash >> 63 == 0 { 1.0 } else { -1.0 },
    )
}

/// Adds a string to `buckets`: its byte triples, so that similar strings get similar sketches.
pub fn add_string(buckets: &mut [f32], column: u64, string: &[u8]) {
    let string = &string[..string.len().min(MOST_BYTES)];
    let scale = 1.0 / (string.len().max(1) as f32).sqrt();
    let mut add = |gram: u64| {
        let (at, sign) = bucket(mix(column) ^ gram, buckets.len());
        buckets[at] += sign * scale;
    };
    add(string.len() as u64 | 1 << 63);
    for triple in string.windows(3) {
        add(u64::from(triple[0]) | u64::from(triple[1]) << 8 | u64::from(triple[2]) << 16);
    }
    if string.len() < 3 {
        add(string
            .iter()
            .fold(1 << 32, |gram, byte| gram << 8 | u64::from(*byte)));
    }
}

/// The numbers of a row at its first column, and every `stride`-th from there.
pub fn numbers<'r>(row: &'r Row<'r>, dtype: DType, stride: u64) -> impl Iterator<Item = f64> + 'r {
    let (bytes, size) = match row.given {
        Given::Fixed(bytes) => (bytes, dtype.size.max(1)),
        Given::Strings(_) => (&[][..], 1),
    };
    let given = (bytes.len() / size) as u64;
    let filler = if row.last.is_empty() {
        0.0
    } else {
        dtype.value(row.last)
    };
    (0..row.count).step_by(stride as usize).map(move |column| {
        if column < given {
            let at = column as usize * size;
            dtype.value(&bytes[at..at + size])
        } else {
            filler
        }
    })
}

/// The same numbers, given to `take` one by one. The commonest case is a loop without a branch
/// for each element.
pub(super) fn for_each_number(row: &Row<'_>, dtype: DType, stride: u64, mut take: impl FnMut(f64)) {
    match row.given {
        Given::Fixed(bytes)
            if dtype.number == DataType::DtFloat && (bytes.len() / 4) as u64 == row.count =>
        {
            for element in bytes.chunks_exact(4).step_by(stride as usize) {
                let [a, b, c, d] = *element else { continue };
                take(f64::from(f32::from_le_bytes([a, b, c, d])));
            }
        }
        _ => numbers(row, dtype, stride).for_each(take),
    }
}

/// [`bucket`] of the first columns among as many buckets as an input sketch has.
const FIRST: [(u8, f32); MOST_COLUMNS as usize] = {
    let mut first = [(0, 0.0); MOST_COLUMNS as usize];
    let mut column = 0;
    while column < first.len() {
        let hash = mix(column as u64);
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        first[column] = ((hash % SKETCH as u64) as u8, sign);
        column += 1;
    }
    first
};

/// [`bucket`] among the columns of an input sketch.
#[inline]
pub(super) fn sketch_bucket(column: u64) -> (usize, f32) {
    match FIRST.get(column as usize) {
        Some((at, sign)) => (usize::from(*at), *sign),
        None => bucket(column, SKETCH),
    }
}

/// `splitmix64` of Steele, Lea and Flood (2014).
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_strings_are_near_and_others_far() {
        let sketch = |text: &str| {
            let mut buckets = [0.0; 64];
            add_string(&mut buckets, 0, text.as_bytes());
            buckets
        };
        let distance = |a: &str, b: &str| -> f32 {
            sketch(a)
                .iter()
                .zip(sketch(b))
                .map(|(x, y)| (x - y).powi(2))
                .sum()
        };
        assert_eq!(distance("the quick brown fox", "the quick brown fox"), 0.0);
        let near = distance("the quick brown fox", "the quick brown fix");
        assert!(near < distance("the quick brown fox", "pack my box with it") / 2.0);
        assert!(distance("a", "b") > 0.0 && distance("", "a") > 0.0);
    }

    #[test]
    fn the_short_ways_lead_to_the_same_place() {
        for column in [0, 1, 511, 512, 513, 100_000] {
            assert_eq!(sketch_bucket(column), bucket(column, SKETCH));
        }
        let float = DType::from_number(DataType::DtFloat as i32).unwrap();
        let values = [1.5_f32, -0.0, f32::NAN, 4.0, 5.0];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        for (count, stride) in [(5, 1), (5, 2), (5, 3), (9, 2)] {
            let row = Row {
                given: Given::Fixed(&bytes),
                count,
                last: &bytes[16..],
            };
            let mut found = Vec::new();
            for_each_number(&row, float, stride, |value| found.push(value.to_bits()));
            let expected: Vec<u64> = numbers(&row, float, stride).map(f64::to_bits).collect();
            assert_eq!(found, expected, "{count} {stride}");
        }
    }

    #[test]
    fn buckets_and_signs_are_spread_evenly() {
        let mut counts = [0_u32; 64];
        let mut positive = 0;
        for column in 0..64_000 {
            let (at, sign) = bucket(column, 64);
            counts[at] += 1;
            positive += u32::from(sign > 0.0);
        }
        assert!(
            counts.iter().all(|&n| (800..1200).contains(&n)),
            "{counts:?}"
        );
        assert!((31_000..33_000).contains(&positive), "{positive}");
    }
}
