//! What may have been meant by a key that is none.

/// Keys less alike than this have little to do with each other; 1 is the same.
const ALIKE: f64 = 0.8;

/// Reads "unknown field `a`, expected one of `b`, ..." and adds the key that is most like it.
pub(crate) fn with_what_was_meant(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = match quoted.next() {
        Some(unknown) if message.contains("unknown field `") => unknown,
        _ => return message.to_owned(),
    };
    let like = |key: &str| strsim::jaro(&key.replace('-', "_"), &unknown.replace('-', "_"));
    let nearest = quoted.max_by(|a, b| like(a).total_cmp(&like(b)));
    match nearest.filter(|key| like(key) > ALIKE) {
        Some(key) => format!("unknown field `{unknown}`: was `{key}` meant?"),
        None => format!(
            "unknown field `{unknown}`: no option is called so; `flatline serve --help` lists them"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Raw;

    #[test]
    fn the_nearest_key_is_named() {
        let said = |text: &str| {
            let error = Raw::from_toml(text).unwrap_err();
            with_what_was_meant(error.message())
        };
        assert_eq!(
            said("window_rows = 7"),
            "unknown field `window_rows`: was `window-rows` meant?"
        );
        assert_eq!(
            said("lisen = \"a:1\""),
            "unknown field `lisen`: was `listen` meant?"
        );
        assert!(said("zebra = 1").contains("--help"));
        assert!(!said("listen = [").contains("meant?"));
    }
}
