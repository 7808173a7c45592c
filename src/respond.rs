//! What the client gets where the upstream cannot answer: the one place that answers for it.

use crate::stream::Failure;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// gRPC's code for "try again later".
pub const UNAVAILABLE: &str = "14";

/// An answer to a call whose upstream failed before its headers.
#[derive(Debug)]
pub enum Answer {
    /// Reset the stream, with the upstream's own code.
    Reset(Reason),
    /// A Trailers-Only reply.
    TrailersOnly(Response<()>),
}

/// Before the reply's headers.
#[must_use]
pub fn before_headers(failure: &Failure) -> Answer {
    match failure {
        Failure::Reset(reason) => Answer::Reset(*reason),
        // Clients send such a call again in safety.
        Failure::NotProcessed => Answer::Reset(Reason::REFUSED_STREAM),
        Failure::Lost(_) | Failure::Unavailable(_) => {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::OK;
            *response.headers_mut() = unavailable(failure);
            response.headers_mut().insert(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/grpc"),
            );
            Answer::TrailersOnly(response)
        }
    }
}

/// After the reply's headers: trailers, or the code to reset with.
///
/// # Errors
/// The code to reset with.
pub fn after_headers(failure: &Failure) -> Result<HeaderMap, Reason> {
    match failure {
        Failure::Reset(reason) => Err(*reason),
        Failure::NotProcessed | Failure::Lost(_) | Failure::Unavailable(_) => {
            Ok(unavailable(failure))
        }
    }
}

fn unavailable(failure: &Failure) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static(UNAVAILABLE));
    let message = percent_encoded(&format!("flatline: {failure}"));
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert("grpc-message", message);
    }
    headers
}

/// gRPC's percent-encoding of `grpc-message`: printable ASCII but `%` stands for itself.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_passed_on_and_losses_are_unavailable() {
        let reset = before_headers(&Failure::Reset(Reason::ENHANCE_YOUR_CALM));
        assert!(matches!(reset, Answer::Reset(Reason::ENHANCE_YOUR_CALM)));
        let refused = before_headers(&Failure::NotProcessed);
        assert!(matches!(refused, Answer::Reset(Reason::REFUSED_STREAM)));
        let Answer::TrailersOnly(lost) = before_headers(&Failure::Lost("100 %\n".to_owned()))
        else {
            panic!("not answered");
        };
        assert_eq!(lost.headers()["grpc-status"], "14");
        assert_eq!(
            lost.headers()["grpc-message"],
            "flatline: connection lost: 100 %25%0A"
        );
        assert!(after_headers(&Failure::Lost(String::new())).is_ok());
    }
}
