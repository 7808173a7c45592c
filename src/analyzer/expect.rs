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
    capacity: Capacity,
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
    /// Another kind.
    #[error("has a kind that is none of continuous, coarse and classes:N with N of 2 or more")]
    Kind,
}

impl FromStr for Expect {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (series, kind) = text.rsplit_once('=').ok_or(ExpectError::NoKind)?;
        let capacity = match (kind, kind.strip_prefix("classes:")) {
            ("continuous", _) => Capacity::Continuous,
            ("coarse", _) => Capacity::Coarse,
            (_, Some(classes)) => match classes.parse() {
                Ok(classes) if classes >= 2 => Capacity::Classes(classes),
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
        Ok(Expect {
            model: model.to_owned(),
            output,
            capacity,
        })
    }
}

/// What is expected of a series; one that names the output wins.
pub(super) fn of(expect: &[Expect], key: &SeriesKey) -> Option<Capacity> {
    let fits = |e: &&Expect| {
        e.model == key.model && e.output.as_ref().is_none_or(|output| *output == key.output)
    };
    let fitting = expect.iter().filter(fits);
    fitting
        .max_by_key(|e| e.output.is_some())
        .map(|e| e.capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_user_writes_and_says_what_is_wrong() {
        let expect: Expect = "digits/classes=classes:10".parse().unwrap();
        assert_eq!(expect.capacity, Capacity::Classes(10));
        assert_eq!(expect.output.as_deref(), Some("classes"));
        let all: Expect = "digits=continuous".parse().unwrap();
        let key = |output: &str| SeriesKey {
            model: "digits".to_owned(),
            version: 1,
            signature: String::new(),
            output: output.to_owned(),
        };
        let both = [expect, all];
        assert_eq!(of(&both, &key("classes")), Some(Capacity::Classes(10)));
        assert_eq!(of(&both, &key("scores")), Some(Capacity::Continuous));
        for (wrong, error) in [
            ("digits", ExpectError::NoKind),
            ("=coarse", ExpectError::NoModel),
            ("digits=classes:1", ExpectError::Kind),
            ("digits=flat", ExpectError::Kind),
        ] {
            assert_eq!(wrong.parse::<Expect>(), Err(error));
        }
    }
}
