//! Values as text, and the checks that turn them into types. A check never stops at the first
//! mistake: it notes it and goes on with the default.

use super::Address;
use crate::analyzer::Expect;
use crate::error::Error;
use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A value as it was written; numbers in a TOML file are taken as their digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a truth value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Text, E> {
                Ok(Text(truth.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// One text that commas part, as on the command line, or a list of them.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<Text>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }
        fn visit_str<E>(self, text: &str) -> Result<Vec<Text>, E> {
            Ok(text.split(',').map(|part| Text(part.to_owned())).collect())
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vec<Text>, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// Gathers mistakes.
#[derive(Default)]
pub(super) struct Checker {
    mistakes: Vec<String>,
}

impl Checker {
    pub(super) fn wrong(&mut self, field: &str, value: &str, reason: &str, example: &str) {
        self.mistakes.push(format!(
            "{field}: `{value}` {reason} (example: {field} = \"{example}\")"
        ));
    }

    /// What cannot be known and has to be said.
    pub(super) fn missing(&mut self, field: &str, reason: &str, example: &str) {
        self.mistakes.push(format!(
            "{field}: {reason} (example: --{field} {example}, or {field} = \"{example}\")"
        ));
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Error> {
        match self.mistakes.len() {
            0 => Ok(value),
            n => Err(Error::Config(format!(
                "{n} mistake{} in the configuration:\n  {}",
                if n == 1 { "" } else { "s" },
                self.mistakes.join("\n  ")
            ))),
        }
    }

    pub(super) fn address(&mut self, field: &str, value: Option<&Text>, default: &str) -> Address {
        self.parse(field, value, default, str::parse::<Address>)
            .unwrap_or(Address::Tcp(String::new(), 0))
    }

    pub(super) fn duration(
        &mut self,
        field: &str,
        value: Option<&Text>,
        default: &str,
    ) -> Duration {
        let parse = |text: &str| {
            let span: SignedDuration = text.parse().map_err(|_| "is no time")?;
            Duration::try_from(span)
                .map_err(|_| "is negative")
                .and_then(|time| {
                    if time.is_zero() {
                        Err("is zero")
                    } else {
                        Ok(time)
                    }
                })
        };
        self.parse(field, value, default, parse).unwrap_or_default()
    }

    /// A time of at least a second, or 0 for never.
    pub(super) fn interval(
        &mut self,
        field: &str,
        value: Option<&Text>,
        default: &str,
    ) -> Option<Duration> {
        let parse = |text: &str| {
            if text == "0" {
                return Ok(None);
            }
            let span: SignedDuration = text.parse().map_err(|_| "is no time")?;
            match Duration::try_from(span).map_err(|_| "is negative")? {
                time if time.is_zero() => Ok(None),
                time if time < Duration::from_secs(1) => Err("is below a second"),
                time => Ok(Some(time)),
            }
        };
        self.parse(field, value, default, parse).flatten()
    }

    pub(super) fn size(&mut self, field: &str, value: Option<&Text>, default: &str) -> usize {
        let parse = |text: &str| {
            let size: ByteSize = text.parse().map_err(|_| "is no size in bytes")?;
            usize::try_from(size.as_u64()).map_err(|_| "is more than this machine can address")
        };
        self.parse(field, value, default, parse).unwrap_or_default()
    }

    pub(super) fn count(&mut self, field: &str, value: Option<&Text>, default: &str) -> usize {
        let parse = |text: &str| match text.parse() {
            Ok(0) => Err("is zero"),
            Ok(count) if count <= 1 << 24 => Ok(count),
            Ok(_) => Err("is more than 16777216"),
            Err(_) => Err("is no whole number"),
        };
        self.parse(field, value, default, parse).unwrap_or_default()
    }

    /// A number above 0 and at most `most`.
    pub(super) fn rate(
        &mut self,
        field: &str,
        value: Option<&Text>,
        default: &str,
        most: f64,
    ) -> f64 {
        let parse = |text: &str| match text.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= most => Ok(rate),
            Ok(_) => Err("is out of range"),
            Err(_) => Err("is no number"),
        };
        self.parse(field, value, default, parse).unwrap_or_default()
    }

    /// Index of the value among `choices`; the first is the default.
    pub(super) fn choice(&mut self, field: &str, value: Option<&Text>, choices: &[&str]) -> usize {
        let parse = |text: &str| {
            choices
                .iter()
                .position(|choice| *choice == text)
                .ok_or("is none of the choices")
        };
        self.parse(field, value, choices[0], parse)
            .unwrap_or_default()
    }

    /// `true` or `false`; false if not given.
    pub(super) fn flag(&mut self, field: &str, value: Option<&Text>) -> bool {
        self.choice(field, value, &["false", "true"]) == 1
    }

    pub(super) fn filter(&mut self, field: &str, value: Option<&Text>, default: &str) -> String {
        let parse = |text: &str| {
            tracing_subscriber::EnvFilter::try_new(text)
                .map(|_| text.to_owned())
                .map_err(|_| "is no log filter")
        };
        self.parse(field, value, default, parse).unwrap_or_default()
    }

    pub(super) fn key(&mut self, field: &str, value: Option<&Text>) -> Option<[u8; 32]> {
        let example = "0f".repeat(32);
        let text = &value?.0;
        match blake3::Hash::from_hex(text) {
            Ok(key) => return Some(*key.as_bytes()),
            // The value is a secret: it is not repeated.
            Err(_) => self.wrong(field, "***", "is not 64 hexadecimal digits", &example),
        }
        None
    }

    /// A secret of at least 16 characters, which is never repeated in a message.
    pub(super) fn secret(&mut self, field: &str, value: Option<&Text>) -> Option<String> {
        let text = &value?.0;
        if text.len() < 16 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.wrong(
                field,
                "***",
                "is not 16 or more printable characters without a space",
                "9f4c-change-me-71d0",
            );
        }
        Some(text.clone())
    }

    pub(super) fn expect(&mut self, field: &str, values: &[Text]) -> Vec<Expect> {
        let mut found = Vec::new();
        for text in values {
            match text.0.parse::<Expect>() {
                Ok(expect) => found.push(expect),
                Err(error) => self.wrong(field, &text.0, &error.to_string(), "digits=classes:10"),
            }
        }
        found
    }

    fn parse<T>(
        &mut self,
        field: &str,
        value: Option<&Text>,
        default: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = value.map_or(default, |text| &text.0);
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.wrong(field, text, reason, default);
                None
            }
        }
    }
}
