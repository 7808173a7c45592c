//! What the sidecar may use, and what that does to a pod.

use super::annotations::Overrides;
use super::patch::Edits;
use super::pod::{Container, Object, Pod};
use super::takeover::Refusal;
use super::{Mistake, Settings};
use serde_json::{Map, Value, json};

const BOUNDS: [&str; 2] = ["requests", "limits"];
const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// A Kubernetes quantity as a number: digits, and a suffix of thousands, of 1024s, or an exponent
/// of ten. None for what is no quantity or less than 0.
#[must_use]
pub fn quantity(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let kibi = |power| 1024_f64.powi(power);
    // Divided where Kubernetes divides, so that `1900m` is `1.9` to the last bit.
    let (times, over) = match suffix {
        "" => (1.0, 1.0),
        "n" => (1.0, 1e9),
        "u" => (1.0, 1e6),
        "m" => (1.0, 1e3),
        "k" => (1e3, 1.0),
        "M" => (1e6, 1.0),
        "G" => (1e9, 1.0),
        "T" => (1e12, 1.0),
        "P" => (1e15, 1.0),
        "E" => (1e18, 1.0),
        "Ki" => (kibi(1), 1.0),
        "Mi" => (kibi(2), 1.0),
        "Gi" => (kibi(3), 1.0),
        "Ti" => (kibi(4), 1.0),
        "Pi" => (kibi(5), 1.0),
        "Ei" => (kibi(6), 1.0),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match power {
                0..=18 => (10_f64.powi(power), 1.0),
                -18..0 => (1.0, 10_f64.powi(-power)),
                _ => return None,
            }
        }
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.contains('.') || part.len() > 18 {
        return None;
    }
    let number: f64 = format!("{whole}{part}").parse().ok()?;
    Some(number * times / (over * 10_f64.powi(part.len() as i32)))
}

/// Whether the sidecar can run with `text` as the bound, `requests` or `limits`, of a resource, `cpu`
/// or `memory`. A processor is given out in thousandths. What is requested is what is set aside; with
/// a limit below 32 MiB it would be killed: it holds about 12 MB when idle and 21 MiB under load, and
/// the tap may keep a quarter of the limit.
#[must_use]
pub fn is_enough(bound: &str, resource: &str, text: &str) -> bool {
    const MEBIBYTE: f64 = (1_u32 << 20) as f64;
    quantity(text).is_some_and(|amount| match (resource, bound) {
        ("cpu", _) => amount >= 1e-3 && (amount * 1e3 - (amount * 1e3).round()).abs() < 1e-6,
        (_, "limits") => amount >= 32.0 * MEBIBYTE,
        _ => amount >= MEBIBYTE,
    })
}

/// The installation's resources with the pod's overrides.
pub(super) fn choose(
    pod: &Pod<'_>,
    overrides: &Overrides<'_>,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Value, Refusal> {
    let mut resources = settings.resources.clone();
    for (bound, resource, text) in &overrides.resources {
        resources[*bound][*resource] = json!(text);
    }
    let asked = |bound, resource| {
        let mut all = overrides.resources.iter();
        all.any(|(b, r, _)| *b == bound && *r == resource)
    };
    for resource in RESOURCES {
        let text = |bound: &str| {
            let text = resources[bound][resource].as_str();
            text.unwrap_or_default().to_owned()
        };
        let (request, limit) = (text("requests"), text("limits"));
        let (Some(least), Some(most)) = (quantity(&request), quantity(&limit)) else {
            continue;
        };
        if least <= most {
            continue;
        }
        if asked("requests", resource) && asked("limits", resource) {
            return Err(Refusal::Mistake(Mistake {
                annotation: format!("flatline.dev/{resource}-request"),
                value: request,
                reason: format!("is more than the limit, {limit}"),
                example: limit,
            }));
        }
        // Only one of the two was asked for, and the other follows it.
        let (bound, value) = if asked("requests", resource) {
            ("limits", request)
        } else {
            ("requests", limit)
        };
        resources[bound][resource] = json!(value);
    }
    if is_guaranteed(pod) && resources["requests"] != resources["limits"] {
        resources["requests"] = resources["limits"].clone();
        warnings.push(
            "the pod's QoS class is Guaranteed, so the sidecar requests as much as its limits"
                .to_owned(),
        );
    }
    Ok(resources)
}

/// Raises what the pod as a whole may use by what the sidecar uses: the API server refuses a pod
/// whose containers request more than the pod, and the model server should keep what it had.
pub(super) fn raise_pod(
    edits: &mut Edits,
    pod: &Pod<'_>,
    sidecar: &Value,
    warnings: &mut Vec<String>,
) {
    let Some(own) = of_pod(pod) else { return };
    let mut raised = Vec::new();
    let lacks_requests = own.get("requests").is_none_or(Value::is_null);
    let mut requests = Map::new();
    for resource in RESOURCES {
        for bound in BOUNDS {
            let old = own.get(bound).and_then(|b| b.get(resource));
            let before = match old {
                Some(old) => amount(old),
                None if bound == "requests" => requested(pod, own, resource),
                None => None,
            };
            let (Some(before), Some(more)) = (before, amount(&sidecar[bound][resource])) else {
                continue;
            };
            let sum = match resource {
                "cpu" => format!("{}m", ((before + more) * 1e3).round()),
                _ => format!("{}", (before + more).ceil()),
            };
            raised.push(format!("{resource} {bound} to {sum}"));
            let path = ["spec", "resources", bound, resource];
            match old {
                Some(old) => edits.replace(&path, old, json!(sum)),
                None if lacks_requests => {
                    requests.insert(resource.to_owned(), json!(sum));
                }
                None => edits.add(&path, json!(sum)),
            }
        }
    }
    if !requests.is_empty() {
        edits.add(&["spec", "resources", "requests"], Value::Object(requests));
    }
    if !raised.is_empty() {
        warnings.push(format!(
            "spec.resources of the pod grow by what the sidecar uses: {}",
            raised.join(", ")
        ));
    }
}

/// Whether the pod has limits for processor and memory, and requests no less: as a whole if it
/// says something as a whole, each of its containers otherwise.
fn is_guaranteed(pod: &Pod<'_>) -> bool {
    let is_bound = |resources: &Value| {
        RESOURCES.iter().all(|key| {
            let of = |bound: &str| amount(&resources[bound][key]);
            let limit = of("limits");
            limit.is_some_and(|limit| limit > 0.0)
                && of("requests").is_none_or(|request| Some(request) == limit)
        })
    };
    match of_pod(pod) {
        Some(resources) => RESOURCES.iter().all(|key| {
            let limit = amount(&resources["limits"][key]).filter(|limit| *limit > 0.0);
            let request = amount(&resources["requests"][key]);
            limit.is_some() && request.or_else(|| requested(pod, resources, key)) == limit
        }),
        None => pod.containers().all(|c| of(c.fields).is_some_and(is_bound)),
    }
}

/// What the API server puts in for what a pod as a whole should request and does not say: what its
/// containers request at once, or the limit where none of them requests any.
fn requested(pod: &Pod<'_>, own: &Value, resource: &str) -> Option<f64> {
    let limit = amount(&own["limits"][resource])?;
    let request = |container: &Container<'_>| {
        let resources = of(container.fields)?;
        let bound = |bound: &str| amount(&resources[bound][resource]);
        bound("requests").or_else(|| bound("limits"))
    };
    if pod.containers().all(|c| request(&c).is_none()) {
        return Some(limit);
    }
    let (mut together, mut beside, mut most) = (0.0, 0.0, 0.0_f64);
    for container in pod.containers() {
        let own = request(&container).unwrap_or(0.0);
        if container.list == "containers" {
            together += own;
        } else if container.keeps_running() {
            beside += own;
        } else {
            // It runs beside the sidecars before it, and ends.
            most = most.max(beside + own);
        }
    }
    Some(most.max(together + beside))
}

/// What the pod says as a whole of processor or memory.
fn of_pod<'a>(pod: &Pod<'a>) -> Option<&'a Value> {
    let own = of(pod.spec)?;
    let says = |bound: &str| RESOURCES.iter().any(|key| own[bound].get(key).is_some());
    BOUNDS.iter().any(|bound| says(bound)).then_some(own)
}

fn of(fields: &Object) -> Option<&Value> {
    fields.get("resources").filter(|r| r.is_object())
}

/// A quantity as JSON has it: text, or a number.
fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => quantity(text),
        number => number.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, amount) in [
            ("1", 1.0),
            ("1000m", 1.0),
            ("1.5Gi", 1_610_612_736.0),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("2E", 2e18),
            ("5.", 5.0),
            ("0", 0.0),
            ("1900m", 1.9),
            ("570m", 0.57),
            ("5e-1", 0.5),
        ] {
            assert_eq!(quantity(text), Some(amount), "{text}");
        }
        for text in [
            "", ".", "-1", "1 Gi", "1GiB", "1gi", "e3", "1e99", "1.2.3", "256 megs",
        ] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn what_nothing_runs_with_is_not_enough() {
        for (resource, text) in [("cpu", "1m"), ("cpu", "0.25"), ("memory", "32Mi")] {
            assert!(is_enough("limits", resource, text), "{text}");
        }
        assert!(is_enough("requests", "memory", "1Mi"));
        for (resource, text) in [
            ("cpu", "0"),
            ("cpu", "100u"),
            ("cpu", "1500u"),
            ("memory", "256"),
            ("memory", "128m"),
            ("memory", "1Mi"),
            ("memory", "33554431"),
        ] {
            assert!(!is_enough("limits", resource, text), "{text}");
        }
    }
}
