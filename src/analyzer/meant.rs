//! Outputs that are constant by design: a list of labels, anchors, a temperature, beside outputs
//! that follow the input. One that was ever seen to vary, here or in the version before, is none.

use super::series::SeriesKey;
use super::{Analyzer, expect};

impl Analyzer {
    /// Whether that output has been one and the same since it was first seen, while another of the
    /// same replies varies: then the model does read its inputs, and nothing says that this output
    /// should follow them. What the user expects of it goes before.
    pub(super) fn is_meant(&self, key: &SeriesKey) -> bool {
        let is_one = self
            .series
            .get(key)
            .is_some_and(|series| series.pairs.is_one() && !series.is_restored());
        is_one
            && self.varies_beside(key)
            && expect::of(&self.options.expect, key).is_none()
            && self
                .previous(key)
                .is_none_or(|before| before.distinct_outputs <= 1)
    }

    fn varies_beside(&self, key: &SeriesKey) -> bool {
        let first = SeriesKey {
            output: String::new(),
            ..key.clone()
        };
        let same = |other: &SeriesKey| {
            (&other.model, other.version, &other.signature)
                == (&key.model, key.version, &key.signature)
        };
        let from_first = self.series.range(first..);
        let mut beside = from_first.take_while(|(other, _)| same(other));
        beside.any(|(_, series)| series.pairs.varies())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{analyzer, answering, exchange, floats, healthy, spec};
    use super::*;
    use crate::proto::flatline::v1::Exchange;
    use crate::report::State;

    /// Call `n` of this version, with the output `labels` besides, the same each time or not.
    fn labelled(n: u64, version: i64, same: bool) -> Exchange {
        let values = (0..4 * 6).map(|i| if same { 0.25 } else { (n * 24 + i) as f32 });
        let labels = floats(values.collect(), &[4, 6]);
        answering(exchange(n, healthy), |reply| {
            reply.model_spec = spec(Some(version));
            reply.outputs.insert("labels".to_owned(), labels);
        })
    }

    fn fires(analyzer: &mut Analyzer, calls: impl Iterator<Item = Exchange>) -> bool {
        let steps = calls.flat_map(|call| analyzer.observe(&call).transitions);
        let fired: Vec<_> = steps.filter(|step| step.to == State::Firing).collect();
        !fired.is_empty()
    }

    #[test]
    fn a_constant_beside_an_output_that_varies_never_fires() {
        let mut analyzer = analyzer();
        let calls = (0..1200).map(|n| labelled(n, 3, true));
        assert!(!fires(&mut analyzer, calls));
        // Nor is it evidence in the sums over replicas, but for the rows before the other was seen
        // to vary.
        let key = analyzer
            .keys()
            .find(|key| key.output == "labels")
            .unwrap()
            .clone();
        let tally = analyzer.series[&key].pairs.tally();
        let excess = tally.colliding_pairs as f64 - tally.expected_colliding_pairs;
        assert!(excess < 128.0, "{excess} of {}", tally.compared_pairs);
    }

    #[test]
    fn one_that_varied_fires_in_this_version_and_in_the_next() {
        let mut same = analyzer();
        assert!(!fires(&mut same, (0..400).map(|n| labelled(n, 3, false))));
        assert!(fires(&mut same, (400..600).map(|n| labelled(n, 3, true))));
        let mut next = analyzer();
        assert!(!fires(&mut next, (0..400).map(|n| labelled(n, 3, false))));
        assert!(fires(&mut next, (400..600).map(|n| labelled(n, 4, true))));
    }

    #[test]
    fn what_the_user_expects_goes_before() {
        let mut analyzer = analyzer();
        analyzer.options.expect = vec!["m/labels=continuous".parse().unwrap()];
        assert!(fires(&mut analyzer, (0..400).map(|n| labelled(n, 3, true))));
    }
}
