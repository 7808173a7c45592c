//! `POST /api/v1/reset`: forget what was learned of some series.

use super::{State, body, plain};
use crate::analyzer::Chosen;
use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

/// Answers a request to forget: the query names `model`, `version`, `signature`, `output`.
pub(super) async fn answer(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "POST only\n");
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let Some(token) = &state.token else {
        return plain(
            StatusCode::FORBIDDEN,
            "this port is read-only: start `flatline serve` with --admin-token\n",
        );
    };
    if !token.allows(request.headers()) {
        let mut response = plain(
            StatusCode::UNAUTHORIZED,
            "the token is missing or wrong: authorization: Bearer TOKEN\n",
        );
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    let chosen = match chosen(request.uri().query().unwrap_or_default()) {
        Ok(chosen) => chosen,
        Err(reason) => return plain(StatusCode::BAD_REQUEST, reason),
    };
    match state.observer.reset(chosen).await {
        Some(found) => match serde_json::to_string_pretty(&found) {
            Ok(json) => body("application/json", json + "\n"),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        None => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the analyzer is behind; try again\n",
        ),
    }
}

fn chosen(query: &str) -> Result<Chosen, String> {
    let mut chosen = Chosen::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8();
        let value = value
            .map_err(|_| format!("{name}: not UTF-8\n"))?
            .into_owned();
        match name {
            "model" => chosen.model = Some(value),
            "signature" => chosen.signature = Some(value),
            "output" => chosen.output = Some(value),
            "version" => {
                let number = value.parse();
                let wrong = |_| format!("version: `{value}` is no whole number (example: 3)\n");
                chosen.version = Some(number.map_err(wrong)?);
            }
            _ => {
                return Err(format!(
                    "{name}: unknown; known are model, version, signature, output\n"
                ));
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_series_or_says_what_is_wrong() {
        let found = chosen("model=a%2Fb&version=3&output=").unwrap();
        assert_eq!(found.model.as_deref(), Some("a/b"));
        assert_eq!(
            (found.version, found.output.as_deref()),
            (Some(3), Some(""))
        );
        assert_eq!(chosen("").unwrap(), Chosen::default());
        assert!(chosen("version=x").unwrap_err().contains("`x`"));
        assert!(chosen("modell=x").unwrap_err().contains("modell"));
        assert!(chosen("model=%ff").unwrap_err().contains("UTF-8"));
    }
}
