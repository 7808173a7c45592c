//! Variety in against variety out, as a small picture with the same in words.

use crate::analyzer::Sample;
use std::fmt::Write;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 28.0;
const EDGE: f64 = 2.0;

/// A picture of the last minutes; nothing for fewer than two samples.
pub(super) fn draw(samples: &[Sample]) -> String {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return String::new();
    };
    if samples.len() < 2 {
        return String::new();
    }
    let most = samples.iter().map(|s| s.inputs.max(s.outputs)).max();
    let most = f64::from(most.unwrap_or(0).max(1));
    let span = (last.at_nanos - first.at_nanos).max(1) as f64;
    let line = |of: fn(&Sample) -> u32| {
        let mut points = String::new();
        for sample in samples {
            let x =
                EDGE + (WIDTH - 2.0 * EDGE) * ((sample.at_nanos - first.at_nanos) as f64 / span);
            let y = HEIGHT - EDGE - (HEIGHT - 2.0 * EDGE) * (f64::from(of(sample)) / most);
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        points
    };
    let words = format!(
        "in the last {} s: distinct inputs from {} to {}, distinct outputs from {} to {}",
        (span / 1e9).round(),
        first.inputs,
        last.inputs,
        first.outputs,
        last.outputs
    );
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{words}\"><title>{words}</title><polyline class=\"in\" points=\"{}\"/><polyline class=\"out\" points=\"{}\"/></svg>",
        line(|s| s.inputs),
        line(|s| s.outputs)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_says_in_words_what_it_shows() {
        let sample = |at: i64, outputs| Sample {
            at_nanos: at * 1_000_000_000,
            inputs: 40,
            outputs,
        };
        let svg = draw(&[sample(0, 40), sample(5, 1)]);
        assert!(svg.contains(
            "in the last 5 s: distinct inputs from 40 to 40, distinct outputs from 40 to 1"
        ));
        assert!(svg.contains("points=\"2.0,2.0 118.0,2.0 \""), "{svg}");
        assert!(svg.contains("points=\"2.0,2.0 118.0,25.4 \""), "{svg}");
        assert!(draw(&[]).is_empty() && draw(&[sample(0, 1)]).is_empty());
    }
}
