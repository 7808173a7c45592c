//! How the sidecar ends: done before the kubelet kills, and where it is told together with the model
//! server, not before a `preStop` hook there is over.

use super::pod::Pod;
use serde_json::Value;

/// How long the kubelet waits between SIGTERM and SIGKILL unless the pod says otherwise, seconds.
const DEFAULT_GRACE: u64 = 30;
/// It is done so long before, seconds.
const BEFORE: u64 = 5;

/// The flags that say so.
pub(super) fn flags(pod: &Pod<'_>, legacy: bool) -> Vec<String> {
    let (left, hook) = times(pod, legacy);
    let delay = hook.min(left - 1);
    let mut flags = vec![format!("--drain-timeout={}s", left - delay)];
    if delay > 0 {
        flags.push(format!("--drain-delay={delay}s"));
    }
    flags
}

/// Warns where the sidecar has to end before a hook does.
pub(super) fn warn(pod: &Pod<'_>, legacy: bool, warnings: &mut Vec<String>) {
    let (left, hook) = times(pod, legacy);
    if hook > left - 1 {
        warnings.push(format!(
            "the preStop hook takes {hook} s, of which Flatline can wait {} s: set \
             terminationGracePeriodSeconds above {}",
            left - 1,
            hook.saturating_add(BEFORE)
        ));
    }
}

/// Seconds in which it has to be done, 1 at least, and those of the longest hook to wait for.
fn times(pod: &Pod<'_>, legacy: bool) -> (u64, u64) {
    let grace = pod.spec.get("terminationGracePeriodSeconds");
    let grace = grace.and_then(Value::as_u64).unwrap_or(DEFAULT_GRACE);
    let left = grace.saturating_sub(BEFORE).max(1);
    let hooks = pod.list("containers").iter();
    let hooks = hooks.filter_map(|container| container.get("lifecycle")?.get("preStop"));
    let longest = hooks.map(|hook| seconds(hook).unwrap_or(left / 2)).max();
    // A native sidecar is told when the others have ended.
    (left, longest.filter(|_| legacy).unwrap_or(0))
}

/// How long a hook takes, where that is plain.
fn seconds(hook: &Value) -> Option<u64> {
    if hook.is_null() {
        return Some(0);
    }
    if let Some(sleep) = hook.get("sleep").filter(|sleep| !sleep.is_null()) {
        return sleep.get("seconds")?.as_u64();
    }
    let words = hook.get("exec")?.get("command")?.as_array()?.iter();
    let words: Option<Vec<&str>> = words.map(Value::as_str).collect();
    let text = match words?.as_slice() {
        [shell, flags, text] if base(shell).ends_with("sh") && flags.ends_with('c') => {
            let text = text.trim().trim_end_matches(';');
            text.strip_prefix("exec ").unwrap_or(text).to_owned()
        }
        words => words.join(" "),
    };
    let mut words = text.split_whitespace();
    let (program, time, more) = (words.next()?, words.next()?, words.next());
    (base(program) == "sleep" && more.is_none()).then_some(())?;
    let number = time.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &time[number.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(grace: Option<u64>, hook: &Value, legacy: bool) -> Vec<String> {
        let pod = json!({"spec": {
            "terminationGracePeriodSeconds": grace,
            "containers": [{"name": "a"}, {"name": "s", "lifecycle": {"preStop": hook}}],
        }});
        flags(&Pod::read(&pod).expect("a pod"), legacy)
    }

    #[test]
    fn a_hook_beside_it_is_waited_for_where_both_are_told_at_once() {
        let sleep = |command: Value| json!({"exec": {"command": command}});
        for (grace, hook, timeout, delay) in [
            (None, Value::Null, 25, 0),
            (Some(60), json!({"sleep": {"seconds": 20}}), 35, 20),
            (Some(60), sleep(json!(["sleep", "15"])), 40, 15),
            (None, sleep(json!(["/bin/sh", "-c", "sleep 10s"])), 15, 10),
            (
                None,
                sleep(json!(["bash", "-ec", "exec sleep 10;"])),
                15,
                10,
            ),
            (Some(90), sleep(json!(["sleep", "1m"])), 25, 60),
            // As long as it may, and of what is not known, half.
            (None, sleep(json!(["sleep", "99"])), 1, 24),
            (None, sleep(json!(["/drain.sh", "--all"])), 13, 12),
            (None, sleep(json!(["sleep", "5", "&&", "x"])), 13, 12),
            (Some(60), json!({"httpGet": {"port": 8080}}), 28, 27),
            (Some(0), sleep(json!(["sleep", "1"])), 1, 0),
        ] {
            let mut expected = vec![format!("--drain-timeout={timeout}s")];
            if delay > 0 {
                expected.push(format!("--drain-delay={delay}s"));
            }
            assert_eq!(said(grace, &hook, true), expected, "{hook}");
        }
        let cut = json!({"spec": {"containers": [
            {"name": "s", "lifecycle": {"preStop": {"sleep": {"seconds": u64::MAX}}}},
            {"name": "t", "lifecycle": {"preStop": {"sleep": {"seconds": 24}}}},
        ]}});
        let (mut cut, mut warnings) = (cut, Vec::new());
        warn(&Pod::read(&cut).expect("a pod"), false, &mut warnings);
        assert_eq!(warnings, [""; 0], "a native sidecar is told later");
        warn(&Pod::read(&cut).expect("a pod"), true, &mut warnings);
        assert!(warnings.remove(0).contains("can wait 24 s"));
        cut["spec"]["containers"][0]["lifecycle"] = Value::Null;
        warn(&Pod::read(&cut).expect("a pod"), true, &mut warnings);
        assert_eq!(warnings, [""; 0], "all 24 s fit into 30");
        let native = said(None, &sleep(json!(["sleep", "10"])), false);
        assert_eq!(native, ["--drain-timeout=25s"]);
    }
}
