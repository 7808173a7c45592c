//! Events at the edge: connections that came to nothing, and certificates that changed. Each is
//! counted; each kind is said aloud once, so that an attacker does not fill the log.

use super::names;
use metrics::{Counter, counter};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a client's connection came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// No preface in time.
    Silent,
    /// A block of headers was begun and not ended in time.
    Half,
    /// Neither HTTP/2 nor TLS.
    NotHttp2,
    /// TLS where plain text is spoken.
    TlsOnPlain,
    /// Plain text where TLS is spoken.
    PlainOnTls,
    /// The TLS handshake failed.
    TlsFailed,
    /// HTTP/2 that broke its rules, or more of something than is allowed.
    Rules,
}

impl Cut {
    const ALL: [Cut; 7] = [
        Cut::Silent,
        Cut::Half,
        Cut::NotHttp2,
        Cut::TlsOnPlain,
        Cut::PlainOnTls,
        Cut::TlsFailed,
        Cut::Rules,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Cut::Silent => "silent",
            Cut::Half => "half",
            Cut::NotHttp2 => "not_http2",
            Cut::TlsOnPlain => "tls_on_plain",
            Cut::PlainOnTls => "plain_on_tls",
            Cut::TlsFailed => "tls_failed",
            Cut::Rules => "rules",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Cut::Silent => "a client sent no HTTP/2 preface in time and was cut off",
            Cut::Half => {
                "a client began a block of headers and did not end it in time, and was cut off"
            }
            Cut::NotHttp2 => "a client speaks something other than HTTP/2",
            Cut::TlsOnPlain => {
                "a client speaks TLS, but this port is plain text: give the server --tls-cert and --tls-key, or the client plain text"
            }
            Cut::PlainOnTls => {
                "a client speaks plain text, but this port is TLS: give the client TLS, or leave out --tls-cert"
            }
            Cut::TlsFailed => "a TLS handshake with a client failed",
            Cut::Rules => "a client broke the rules of HTTP/2 and was cut off",
        }
    }
}

/// Counts them by reason.
pub struct Cuts {
    counters: [Counter; Cut::ALL.len()],
    said: [AtomicBool; Cut::ALL.len()],
}

impl Cuts {
    /// The handles.
    #[must_use]
    pub fn new() -> Self {
        for (side, outcome) in [
            ("listen", true),
            ("upstream", true),
            ("listen", false),
            ("upstream", false),
        ] {
            loads(side, outcome).increment(0);
        }
        Cuts {
            counters: Cut::ALL.map(|cut| counter!(names::CUT, "reason" => cut.as_str())),
            said: Default::default(),
        }
    }

    /// Tells of one; the first of its kind as a warning.
    pub fn tell(&self, cut: Cut, peer: &str, error: &dyn Display) {
        self.counters[cut as usize].increment(1);
        let words = cut.words();
        if self.said[cut as usize].swap(true, Ordering::Relaxed) {
            tracing::debug!(peer, %error, "{words}");
        } else {
            tracing::warn!(peer, %error, more = "counted in flatline_connections_cut_total and not said again", "{words}");
        }
    }
}

impl Default for Cuts {
    fn default() -> Self {
        Cuts::new()
    }
}

/// Tells of certificates that changed, towards `side`: taken, or kept out for `reason`.
pub fn certificates_changed(side: &'static str, reason: Option<&dyn Display>) {
    let outcome = if reason.is_none() {
        "taken"
    } else {
        "kept_out"
    };
    counter!(names::TLS_LOADS, "side" => side, "outcome" => outcome).increment(1);
    match reason {
        None => tracing::info!(
            side,
            "certificates loaded; connections that stand keep theirs"
        ),
        Some(reason) => {
            tracing::warn!(side, %reason, "certificates not loaded; those before are kept");
        }
    }
}

fn loads(side: &'static str, taken: bool) -> Counter {
    let outcome = if taken { "taken" } else { "kept_out" };
    counter!(names::TLS_LOADS, "side" => side, "outcome" => outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_where_their_handles_are() {
        for (i, cut) in Cut::ALL.iter().enumerate() {
            assert_eq!(*cut as usize, i);
        }
    }
}
