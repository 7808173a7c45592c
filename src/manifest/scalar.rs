//! What a plain scalar means to Kubernetes, which reads YAML 1.1.

use serde_json::{Number, Value};

/// Null, a boolean, a number, or else text.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    // As in 10_000.
    let bare = text.replace('_', "");
    let text = bare.as_str();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (radix, bare) = if let Some(bare) = digits.strip_prefix("0x") {
        (16, bare)
    } else if let Some(bare) = digits.strip_prefix("0o") {
        (8, bare)
    } else if digits.len() > 1
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.starts_with('0')
    {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if bare.starts_with(['+', '-']) {
        return None;
    }
    if let Ok(value) = u64::from_str_radix(bare, radix) {
        return if negative {
            0_i64.checked_sub_unsigned(value).map(Number::from)
        } else {
            Some(Number::from(value))
        };
    }
    let is_float = bare
        .bytes()
        .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let value: f64 = if is_float {
        text.parse().ok()?
    } else {
        return None;
    };
    // JSON knows no difference between 8.5e3 and 8500.
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_mean_what_they_mean_to_kubernetes() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("8500", json!(8500)),
            ("-7", json!(-7)),
            ("0644", json!(420)),
            ("0x1F", json!(31)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            ("8_500", json!(8500)),
            ("_", json!("_")),
            ("y", json!(true)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("500m", json!("500m")),
            ("1.2.3", json!("1.2.3")),
            ("--port", json!("--port")),
            ("0x", json!("0x")),
            ("2026-01-01", json!("2026-01-01")),
            (".", json!(".")),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }
}
