//! What the sidecar may use, and what that does to a pod.

use super::annotations::Overrides;
use super::patch::Edits;
use super::pod::{Object, Pod};
use super::takeover::Refusal;
use super::{Mistake, Settings};
use serde_json::{Value, json};

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
    let number: f64 = digits.parse().ok()?;
    let kibi = 1024.0_f64;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => kibi,
        "Mi" => kibi.powi(2),
        "Gi" => kibi.powi(3),
        "Ti" => kibi.powi(4),
        "Pi" => kibi.powi(5),
        "Ei" => kibi.powi(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            (-18..=18).contains(&power).then(|| 10_f64.powi(power))?
        }
    };
    Some(number * factor)
}

/// Whether the sidecar can run with `text` of a resource, `cpu` or `memory`: a processor is given
/// out in thousandths, and with less than 1 MiB nothing starts.
#[must_use]
pub fn is_enough(resource: &str, text: &str) -> bool {
    quantity(text).is_some_and(|amount| match resource {
        "cpu" => amount >= 1e-3 && (amount * 1e3 - (amount * 1e3).round()).abs() < 1e-6,
        _ => amount >= f64::from(1 << 20),
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
    let Some(own) = of(pod.spec) else { return };
    let mut raised = Vec::new();
    for bound in BOUNDS {
        for resource in RESOURCES {
            let Some(old) = own.get(bound).and_then(|b| b.get(resource)) else {
                continue;
            };
            let (Some(before), Some(more)) = (amount(old), amount(&sidecar[bound][resource]))
            else {
                continue;
            };
            let sum = match resource {
                "cpu" => format!("{}m", ((before + more) * 1e3).round()),
                _ => format!("{}", (before + more).ceil()),
            };
            edits.replace(&["spec", "resources", bound, resource], old, json!(sum));
            raised.push(format!("{resource} {bound} to {sum}"));
        }
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
    match of(pod.spec) {
        Some(resources) => is_bound(resources),
        None => pod.containers().all(|c| of(c.fields).is_some_and(is_bound)),
    }
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
        for (resource, text) in [("cpu", "1m"), ("cpu", "0.25"), ("memory", "64Mi")] {
            assert!(is_enough(resource, text), "{text}");
        }
        for (resource, text) in [
            ("cpu", "0"),
            ("cpu", "100u"),
            ("cpu", "1500u"),
            ("memory", "256"),
            ("memory", "128m"),
        ] {
            assert!(!is_enough(resource, text), "{text}");
        }
    }
}
