//! References of images.

/// Whether `text` names an image, as the distribution's grammar has it: a host and its port, path
/// components in small letters, a tag, a digest; all but one component may be absent.
#[must_use]
pub fn is_image(text: &str) -> bool {
    let (name, tag, digest) = parts(text);
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, name),
    };
    // 64 digits are an image's own number, which names none.
    let is_number = name.len() == 64 && is_hex(name);
    (1..=255).contains(&name.len())
        && !is_number
        && host.is_none_or(is_host)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// An image's name, without tag and digest.
pub(super) fn name(image: &str) -> &str {
    parts(image).0
}

/// An image's tag.
pub(super) fn tag(image: &str) -> Option<&str> {
    parts(image).1
}

/// Name, tag and digest.
fn parts(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag), digest),
        _ => (name, None, digest),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let v6 = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let is_name = match v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    };
    is_name && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Small letters and digits, apart by a dot, one or two underscores, or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && text.split(is_word).all(|between| {
            matches!(between, "" | "." | "_" | "__") || between.trim_matches('-').is_empty()
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let digits = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return false,
        };
        hex.len() == digits && is_hex(hex)
    })
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_follow_the_grammar() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "flatline",
            "flatline:0.1.0",
            "Registry.example.org:5000/a/b__c/d-e.f:V1.2_x-y",
            "localhost/flatline",
            "[::1]:5000/flatline",
            &format!("ghcr.io/a/flatline:1@{digest}"),
            &format!("flatline@{digest}"),
        ] {
            assert!(is_image(text), "{text}");
        }
        for text in [
            "",
            "Flatline",
            "a b",
            "flatline:",
            "flatline:a:b",
            "flatline:-1",
            "a//b",
            "a/b/",
            "/a",
            "a..b",
            "a___b",
            "host.example:port/a",
            "https://a.example/b",
            "flatline@sha256:0a",
            &"0a".repeat(32),
            &format!("flatline@sha256:{}", "0A".repeat(32)),
            &format!("flatline@sha512:{}", "0a".repeat(32)),
            &format!("a:{}", "1".repeat(129)),
        ] {
            assert!(!is_image(text), "{text}");
        }
    }
}
