//! What Flatline does beside watching, if it is asked to.

use super::value::Checker;
use super::{Address, Raw};
use std::time::Duration;

/// What to do while a series fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Nothing.
    Observe,
    /// Say so in the metadata of replies.
    Annotate,
    /// Fail `/readyz`, so that the replica gets no more calls.
    Eject(Eject),
}

/// How a replica leaves without taking the fleet along.
#[derive(Debug, Clone, PartialEq)]
pub struct Eject {
    /// Admin addresses of all replicas, this one among them.
    pub peers: Vec<Address>,
    /// Largest share of the replicas that may be out at once; 1: no need to ask anybody.
    pub budget: f64,
    /// Longest wait before it goes.
    pub jitter: Duration,
}

/// Reads the action and what belongs to it.
pub(super) fn check(check: &mut Checker, raw: &Raw) -> Action {
    let peers: Vec<Address> = raw
        .eject_peers
        .iter()
        .map(|peer| check.address("eject-peers", Some(peer), "flatline.models:9464"))
        .collect();
    let budget = check.rate("eject-budget", raw.eject_budget.as_ref(), "0.3", 1.0);
    let jitter = check.duration("eject-jitter", raw.eject_jitter.as_ref(), "30s");
    match check.choice(
        "action",
        raw.action.as_ref(),
        &["observe", "annotate", "eject"],
    ) {
        0 => Action::Observe,
        1 => Action::Annotate,
        _ => {
            if peers.is_empty() && budget < 1.0 {
                // Any default would let a fleet go as a whole, or never let anybody go unsaid.
                check.missing(
                    "eject-peers",
                    "is needed by `eject`: without the others nobody can say what share of the \
                     replicas is out; --eject-budget 1 lets this one go whatever the others do",
                    "flatline.models:9464",
                );
            }
            Action::Eject(Eject {
                peers,
                budget,
                jitter,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn action(toml: &str) -> Result<Action, String> {
        let raw = Raw::from_toml(toml).map_err(|e| e.to_string())?;
        Config::check(&raw)
            .map(|config| config.action)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_default_is_to_watch() {
        assert_eq!(action(""), Ok(Action::Observe));
        assert_eq!(action("action = \"annotate\""), Ok(Action::Annotate));
        assert!(
            action("action = \"restart\"")
                .unwrap_err()
                .contains("restart")
        );
    }

    #[test]
    fn nobody_ejects_without_knowing_the_others() {
        let error = action("action = \"eject\"").unwrap_err();
        assert!(
            error.contains("--eject-peers flatline.models:9464")
                && error.contains("--eject-budget 1"),
            "{error}"
        );
        let found = action("action = \"eject\"\neject-peers = [\"flatline.models:9464\"]");
        let Ok(Action::Eject(eject)) = found else {
            panic!("the others alone are enough: {found:?}");
        };
        assert_eq!((eject.budget, eject.jitter), (0.3, Duration::from_secs(30)));
        assert!(action("action = \"eject\"\neject-budget = 1").is_ok());
        let found =
            action("action = \"eject\"\neject-peers = [\"a:1\", \"b:2\"]\neject-budget = 0.5");
        let Ok(Action::Eject(eject)) = found else {
            panic!("{found:?}");
        };
        assert_eq!((eject.peers.len(), eject.budget), (2, 0.5));
        assert!(action("action = \"eject\"\neject-peers = [\"a\"]").is_err());
        assert!(action("action = \"eject\"\neject-budget = 1.5").is_err());
    }
}
