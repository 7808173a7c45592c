//! One AdmissionReview in, one out.

use crate::inject::{OnBadAnnotation, Outcome, Settings, Skip, inject};
use crate::telemetry::{Admission, BAD_ANNOTATION, INJECTED, Verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// The API server cuts a warning off behind as many characters.
const WARNING: usize = 256;
/// Code of a denial: the object is understood, and wrong.
const UNPROCESSABLE: u16 = 422;

/// Fields that are not ours are let pass, as Kubernetes asks of clients.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    dry_run: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    kind: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    message: String,
}

/// Answers `body`, or says why it is no review that can be answered.
///
/// # Errors
/// What is wrong, and an example.
pub fn answer(body: &[u8], settings: &Settings) -> Result<Vec<u8>, String> {
    let review: Review =
        serde_json::from_slice(body).map_err(|error| format!("no AdmissionReview: {error}"))?;
    if review.kind != KIND {
        return Err(format!(
            "kind: `{}` is no AdmissionReview (example: {KIND})",
            review.kind
        ));
    }
    if review.api_version != API_VERSION {
        return Err(format!(
            "apiVersion: `{}` is not understood (example: {API_VERSION}, by admissionReviewVersions: [v1])",
            review.api_version
        ));
    }
    let request = review
        .request
        .ok_or("request: is missing (example: {\"request\": {\"uid\": \"…\", \"object\": {…}}})")?;
    if request.uid.is_empty() {
        return Err("request.uid: is empty (example: a UUID)".to_owned());
    }
    let answer = Answer {
        api_version: API_VERSION,
        kind: KIND,
        response: decide(&request, settings),
    };
    serde_json::to_vec(&answer).map_err(|error| error.to_string())
}

fn decide<'a>(request: &'a Request, settings: &Settings) -> Response<'a> {
    let mut response = Response {
        uid: &request.uid,
        allowed: true,
        status: None,
        patch_type: None,
        patch: None,
        warnings: Vec::new(),
    };
    let outcome = match foreign(request) {
        Some(detail) => Outcome::Skipped {
            reason: Skip::NotAPod,
            detail,
            patch: Patch(Vec::new()),
        },
        None => inject(&request.object, settings),
    };
    let name = pod_name(request);
    let say = |verdict, reason, detail: &str| {
        Admission {
            verdict,
            reason,
            namespace: request.namespace.as_deref().unwrap_or_default(),
            pod: &name,
            detail,
            dry_run: request.dry_run == Some(true),
        }
        .emit();
    };
    match outcome {
        Outcome::Patched { patch, warnings } => {
            say(Verdict::Injected, INJECTED, &warnings.join("; "));
            set_patch(&mut response, &patch);
            response.warnings = warnings.iter().map(|text| warning(text)).collect();
        }
        Outcome::Skipped {
            reason,
            detail,
            patch,
        } => {
            say(Verdict::Skipped, reason.as_label(), &detail);
            set_patch(&mut response, &patch);
            // What the owner asked for, or has already, is nothing to be warned of.
            if !matches!(
                reason,
                Skip::OptedOut | Skip::AlreadyInjected | Skip::BeingDeleted | Skip::NotAPod
            ) {
                response.warnings = vec![warning(&format!("not injected, {reason}: {detail}"))];
            }
        }
        Outcome::Refused { mistakes, patch } => {
            let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            let all = texts.join("; ");
            match settings.on_bad_annotation {
                OnBadAnnotation::Admit => {
                    say(Verdict::Refused, BAD_ANNOTATION, &all);
                    set_patch(&mut response, &patch);
                    let not = |text: &String| warning(&format!("not injected: {text}"));
                    response.warnings = texts.iter().map(not).collect();
                }
                OnBadAnnotation::Deny => {
                    say(Verdict::Denied, BAD_ANNOTATION, &all);
                    response.allowed = false;
                    response.status = Some(Status {
                        code: UNPROCESSABLE,
                        message: format!("flatline: {all}"),
                    });
                }
            }
        }
    }
    response
}

/// Why this is nothing to put a sidecar into: containers can only be added when a pod is made.
fn foreign(request: &Request) -> Option<String> {
    let Request {
        kind,
        sub_resource,
        operation,
        ..
    } = request;
    if (kind.group.as_str(), kind.kind.as_str()) != ("", "Pod") {
        return Some(format!("kind is {}/{}", kind.group, kind.kind));
    }
    if let Some(sub) = sub_resource.as_ref().filter(|sub| !sub.is_empty()) {
        return Some(format!("subresource {sub}"));
    }
    (operation != "CREATE").then(|| format!("operation is {operation}, not CREATE"))
}

/// A pod of a ReplicaSet has no name yet, only the beginning of one.
fn pod_name(request: &Request) -> String {
    let metadata = &request.object["metadata"];
    let given = request.name.as_deref().filter(|name| !name.is_empty());
    match (
        given.or_else(|| metadata["name"].as_str()),
        metadata["generateName"].as_str(),
    ) {
        (Some(name), _) => name.to_owned(),
        (None, Some(begin)) => format!("{begin}*"),
        (None, None) => String::new(),
    }
}

fn set_patch(response: &mut Response<'_>, patch: &Patch) {
    if patch.0.is_empty() {
        return;
    }
    if let Ok(json) = serde_json::to_vec(patch) {
        response.patch_type = Some("JSONPatch");
        response.patch = Some(STANDARD.encode(json));
    }
}

/// One line, short enough to arrive whole.
fn warning(text: &str) -> String {
    let line = format!("flatline: {}", text.replace(['\n', '\r'], " "));
    match line.char_indices().nth(WARNING - 1) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
