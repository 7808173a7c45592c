//! What the user says of an output, so that a cold start need not guess: `MODEL=KIND` or
//! `MODEL/OUTPUT=KIND`.

use super::series::SeriesKey;
use crate::detect::Capacity;
use std::str::FromStr;

/// An expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    model: String,
    output: Option<String>,
    said: Said,
}

/// What is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// How much it can take.
    Takes(Capacity),
    /// NaN and infinity are values of it as any other.
    NonFinite,
}

/// Why a text is no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// No `=`.
    #[error("names no kind")]
    NoKind,
    /// No model.
    #[error("names no model")]
    NoModel,
    /// Nothing behind the `/`.
    #[error("names no output behind the /")]
    NoOutput,
    /// Another kind.
    #[error(
        "has a kind that is none of continuous, coarse, classes:N with N of 2 or more, and non-finite"
    )]
    Kind,
}

impl FromStr for Expect {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (series, kind) = text.rsplit_once('=').ok_or(ExpectError::NoKind)?;
        let said = match (kind, kind.strip_prefix("classes:")) {
            ("continuous", _) => Said::Takes(Capacity::Continuous),
            ("coarse", _) => Said::Takes(Capacity::Coarse),
            ("non-finite", _) => Said::NonFinite,
            (_, Some(classes)) => match classes.parse() {
                Ok(classes) if classes >= 2 => Said::Takes(Capacity::Classes(classes)),
                _ => return Err(ExpectError::Kind),
            },
            _ => return Err(ExpectError::Kind),
        };
        let (model, output) = match series.split_once('/') {
            Some((model, output)) => (model, Some(output.to_owned())),
            None => (series, None),
        };
        if model.is_empty() {
            return Err(ExpectError::NoModel);
        }
        if output.as_ref().is_some_and(String::is_empty) {
            return Err(ExpectError::NoOutput);
        }
        Ok(Expect {
            model: model.to_owned(),
            output,
            said,
        })
    }
}

impl Expect {
    fn is_of(&self, key: &SeriesKey) -> bool {
        let output = self.output.as_ref();
        self.model == key.model && output.is_none_or(|output| *output == key.output)
    }
}

/// How much a series is expected to take; what names the output wins.
pub(super) fn of(expect: &[Expect], key: &SeriesKey) -> Option<Capacity> {
    let capacity = |e: &Expect| match e.said {
        Said::Takes(capacity) => Some((e.output.is_some(), capacity)),
        Said::NonFinite => None,
    };
    let fitting = expect.iter().filter(|e| e.is_of(key)).filter_map(capacity);
    fitting
        .max_by_key(|(named, _)| *named)
        .map(|(_, capacity)| capacity)
}

/// Whether NaN and infinity are expected of a series.
pub(super) fn is_non_finite(expect: &[Expect], key: &SeriesKey) -> bool {
    expect
        .iter()
        .any(|e| e.said == Said::NonFinite && e.is_of(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_user_writes_and_says_what_is_wrong() {
        let expect: Expect = "digits/classes=classes:10".parse().unwrap();
        assert_eq!(expect.said, Said::Takes(Capacity::Classes(10)));
        assert_eq!(expect.output.as_deref(), Some("classes"));
        let all: Expect = "digits=continuous".parse().unwrap();
        let key = |output: &str| SeriesKey {
            model: "digits".to_owned(),
            version: 1,
            signature: String::new(),
            output: output.to_owned(),
        };
        let nan: Expect = "digits/scores=non-finite".parse().unwrap();
        let both = [expect, all, nan];
        assert_eq!(of(&both, &key("classes")), Some(Capacity::Classes(10)));
        assert_eq!(of(&both, &key("scores")), Some(Capacity::Continuous));
        assert!(is_non_finite(&both, &key("scores")) && !is_non_finite(&both, &key("classes")));
        for (wrong, error) in [
            ("digits", ExpectError::NoKind),
            ("=coarse", ExpectError::NoModel),
            ("digits/=coarse", ExpectError::NoOutput),
            ("digits=classes:1", ExpectError::Kind),
            ("digits=flat", ExpectError::Kind),
        ] {
            assert_eq!(wrong.parse::<Expect>(), Err(error));
        }
    }
}
