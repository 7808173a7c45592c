//! TensorFlow Serving's own `SSLConfig`, as `--ssl_config_file` names it: four fields in protobuf's
//! text format (server_key 1, server_cert 2, custom_ca 3, client_verify 4), the PEM text inside.

use super::Refused;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SslConfig {
    /// PEM, the key.
    pub server_key: Vec<u8>,
    /// PEM, the chain.
    pub server_cert: Vec<u8>,
    /// PEM of the authorities that clients' certificates come from.
    pub custom_ca: Vec<u8>,
    /// Clients have to show a certificate.
    pub client_verify: bool,
}

impl SslConfig {
    /// Reads the text.
    ///
    /// # Errors
    /// The line, and what is wrong with it. Values are never repeated: one of them is a key.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let mut rest = Scanner { text, at: 0 };
        let mut config = SslConfig::default();
        while let Some(name) = rest.word()? {
            rest.colon(name)?;
            match name {
                "server_key" => config.server_key = rest.string(name)?,
                "server_cert" => config.server_cert = rest.string(name)?,
                "custom_ca" => config.custom_ca = rest.string(name)?,
                "client_verify" => config.client_verify = rest.truth(name)?,
                _ => {
                    return Err(rest.wrong(&format!(
                        "unknown field `{name}`; known are server_key, server_cert, custom_ca, client_verify"
                    )));
                }
            }
            rest.separator();
        }
        Ok(config)
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn wrong(&self, what: &str) -> Refused {
        let line = self.text[..self.at].matches('\n').count() + 1;
        Refused(format!(
            "line {line}: {what} (example: client_verify: false)"
        ))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// White space and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let start = rest.trim_start();
            self.at += rest.len() - start.len();
            if !start.starts_with('#') {
                return;
            }
            self.at += start.find('\n').unwrap_or(start.len());
        }
    }

    fn word(&mut self) -> Result<Option<&'a str>, Refused> {
        self.blank();
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if length == 0 && !rest.is_empty() {
            return Err(self.wrong("a field's name is expected"));
        }
        self.at += length;
        Ok((length > 0).then(|| &rest[..length]))
    }

    fn colon(&mut self, name: &str) -> Result<(), Refused> {
        self.blank();
        if !self.rest().starts_with(':') {
            return Err(self.wrong(&format!("`:` is expected behind `{name}`")));
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    fn separator(&mut self) {
        self.blank();
        if self.rest().starts_with([',', ';']) {
            self.at += 1;
        }
    }

    fn truth(&mut self, name: &str) -> Result<bool, Refused> {
        match self.word() {
            Ok(Some("true" | "True" | "t" | "1")) => Ok(true),
            Ok(Some("false" | "False" | "f" | "0")) => Ok(false),
            _ => Err(self.wrong(&format!("`{name}` is true or false"))),
        }
    }

    /// One string, or several that stand behind each other.
    fn string(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        let mut value = Vec::new();
        let mut found = false;
        loop {
            let rest = self.rest();
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                break;
            };
            self.at += 1;
            self.quoted(name, quote, &mut value)?;
            found = true;
            self.blank();
        }
        if found {
            Ok(value)
        } else {
            Err(self.wrong(&format!("`{name}` is a string in quotes")))
        }
    }

    fn quoted(&mut self, name: &str, quote: char, value: &mut Vec<u8>) -> Result<(), Refused> {
        loop {
            let mut next = self.rest().chars();
            match next.next() {
                None => return Err(self.wrong(&format!("the string of `{name}` has no end"))),
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    self.escape(name, value)?;
                }
                Some(c) => {
                    self.at += c.len_utf8();
                    value.extend(c.encode_utf8(&mut [0; 4]).bytes());
                }
            }
        }
    }

    fn escape(&mut self, name: &str, value: &mut Vec<u8>) -> Result<(), Refused> {
        let rest = self.rest().as_bytes();
        let (byte, length) = match rest.first() {
            Some(b'n') => (b'\n', 1),
            Some(b'r') => (b'\r', 1),
            Some(b't') => (b'\t', 1),
            Some(c @ (b'\\' | b'\'' | b'"' | b'?')) => (*c, 1),
            Some(b'0'..=b'7') => {
                let length = rest
                    .iter()
                    .take(3)
                    .take_while(|c| matches!(c, b'0'..=b'7'))
                    .count();
                let code = rest[..length]
                    .iter()
                    .fold(0_u32, |code, c| code * 8 + u32::from(c - b'0'));
                (code as u8, length)
            }
            Some(b'x' | b'X') => {
                let digits = rest[1..]
                    .iter()
                    .take(2)
                    .take_while(|c| c.is_ascii_hexdigit())
                    .count();
                let text = std::str::from_utf8(&rest[1..=digits]).unwrap_or_default();
                let code = u8::from_str_radix(text, 16);
                (
                    code.map_err(|_| {
                        self.wrong(&format!("`{name}` has an escape without digits"))
                    })?,
                    1 + digits,
                )
            }
            _ => return Err(self.wrong(&format!("`{name}` has an escape that is not known"))),
        };
        value.push(byte);
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tensorflow_serving_reads() {
        let text = "# TLS\nserver_key: \"-----BEGIN\\n\"\n  'A\\x42\\103\\\\'\n\
            server_cert:'two\nlines';client_verify: true , custom_ca: ''";
        let config = SslConfig::parse(text).unwrap();
        assert_eq!(config.server_key, b"-----BEGIN\nABC\\");
        assert_eq!(config.server_cert, b"two\nlines");
        assert!(config.client_verify && config.custom_ca.is_empty());
        assert_eq!(SslConfig::parse("").unwrap(), SslConfig::default());
    }

    #[test]
    fn says_in_which_line_what_is_wrong_and_never_the_value() {
        for (text, line, what) in [
            ("server_key: \"secret", 1, "no end"),
            ("\nserver_key \"secret\"", 2, "`:` is expected"),
            ("server_kee: \"secret\"", 1, "server_kee"),
            ("client_verify: \"secret\"", 1, "true or false"),
            ("client_verify: 7", 1, "true or false"),
            ("server_key: secret", 1, "string in quotes"),
            ("server_key: \"\\q\"", 1, "escape"),
            ("server_key: \"\\x\"", 1, "escape"),
            ("{}", 1, "name is expected"),
            ("server_key: \"\\", 1, "escape"),
        ] {
            let refused = SslConfig::parse(text).unwrap_err().0;
            assert!(
                refused.contains(&format!("line {line}:")) && refused.contains(what),
                "{text}: {refused}"
            );
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
