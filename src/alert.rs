//! From evidence to a state that people can act on: inactive -> pending -> firing -> resolved.
//!
//! The detector decides how strong the evidence is, with its own hysteresis; this file only
//! makes sure that no step is left out and that the client's faults never fire.

use crate::report::{Kind, State};

/// Rows without evidence after which a resolved alert is forgotten.
const FORGET_AFTER_ROWS: u64 = 1000;

/// How strong the evidence is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing speaks for trouble.
    Quiet,
    /// Something does, not yet enough to wake someone.
    Suspicious,
    /// Enough: the false-alarm budget allows it.
    Damning,
}

/// The alert of one series.
#[derive(Debug, Clone)]
pub struct Alert {
    state: State,
    kind: Option<Kind>,
    since_nanos: Option<i64>,
    /// Rows of the series at the last change of state.
    changed_at_row: u64,
}

/// One step from a state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Kind of trouble.
    pub kind: Option<Kind>,
}

impl Default for Alert {
    fn default() -> Self {
        Alert {
            state: State::Inactive,
            kind: None,
            since_nanos: None,
            changed_at_row: 0,
        }
    }
}

impl Alert {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Kind of trouble; `None` while inactive.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// When it came to this state, nanoseconds since the Unix epoch; `None` before the first step.
    #[must_use]
    pub fn since_nanos(&self) -> Option<i64> {
        self.since_nanos
    }

    /// Takes the evidence as it stands after `rows` rows of the series, at `now_nanos`, and
    /// returns the steps in order: none, one, or two where damning evidence came at once.
    pub fn step(
        &mut self,
        level: Level,
        kind: Option<Kind>,
        rows: u64,
        now_nanos: i64,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(to) = self.next(level, kind, rows) {
            let from = std::mem::replace(&mut self.state, to);
            // A resolved alert keeps the kind it had.
            self.kind = match to {
                State::Inactive => None,
                State::Resolved => self.kind,
                State::Pending | State::Firing => kind,
            };
            self.since_nanos = Some(now_nanos);
            self.changed_at_row = rows;
            let kind = if to == State::Inactive {
                kind
            } else {
                self.kind
            };
            steps.push(Step { from, to, kind });
        }
        if level > Level::Quiet && matches!(self.state, State::Pending | State::Firing) {
            // The same incident, named better.
            self.kind = kind.or(self.kind);
        }
        steps
    }

    fn next(&self, level: Level, kind: Option<Kind>, rows: u64) -> Option<State> {
        let may_fire = kind != Some(Kind::InputCollapse);
        match (self.state, level) {
            (State::Inactive, Level::Suspicious | Level::Damning)
            | (State::Resolved, Level::Damning) => Some(State::Pending),
            (State::Pending, Level::Damning) if may_fire => Some(State::Firing),
            (State::Pending, Level::Quiet) => Some(State::Inactive),
            (State::Firing, Level::Quiet) => Some(State::Resolved),
            (State::Resolved, Level::Quiet)
                if rows.saturating_sub(self.changed_at_row) >= FORGET_AFTER_ROWS =>
            {
                Some(State::Inactive)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(alert: &mut Alert, level: Level, kind: Kind, rows: u64) -> Vec<State> {
        let steps = alert.step(level, Some(kind), rows, rows as i64);
        steps.iter().map(|s| s.to).collect()
    }

    #[test]
    fn pending_always_comes_before_firing() {
        let mut alert = Alert::default();
        let steps = states(&mut alert, Level::Damning, Kind::Constant, 1);
        assert_eq!(steps, [State::Pending, State::Firing]);
        assert_eq!(alert.since_nanos(), Some(1));
    }

    #[test]
    fn a_client_that_repeats_itself_never_fires() {
        let mut alert = Alert::default();
        let steps = states(&mut alert, Level::Damning, Kind::InputCollapse, 1);
        assert_eq!(steps, [State::Pending]);
        assert!(states(&mut alert, Level::Damning, Kind::InputCollapse, 2).is_empty());
    }

    #[test]
    fn resolves_keeps_its_name_for_a_while_and_forgets() {
        let mut alert = Alert::default();
        states(&mut alert, Level::Damning, Kind::Constant, 1);
        let steps = alert.step(Level::Quiet, None, 10, 10);
        assert_eq!(
            steps,
            [Step {
                from: State::Firing,
                to: State::Resolved,
                kind: Some(Kind::Constant)
            }]
        );
        assert!(
            alert
                .step(Level::Quiet, None, 10 + FORGET_AFTER_ROWS - 1, 11)
                .is_empty()
        );
        let steps = alert.step(Level::Quiet, None, 10 + FORGET_AFTER_ROWS, 12);
        assert_eq!(steps.len(), 1);
        assert_eq!((alert.state(), alert.kind()), (State::Inactive, None));
    }

    #[test]
    fn weak_evidence_that_goes_away_leaves_nothing() {
        let mut alert = Alert::default();
        assert_eq!(
            states(&mut alert, Level::Suspicious, Kind::Partial, 1),
            [State::Pending]
        );
        assert_eq!(alert.step(Level::Quiet, None, 2, 2)[0].to, State::Inactive);
    }

    #[test]
    fn a_resolved_alert_needs_damning_evidence_to_come_back() {
        let mut alert = Alert::default();
        states(&mut alert, Level::Damning, Kind::Constant, 1);
        alert.step(Level::Quiet, None, 2, 2);
        assert!(states(&mut alert, Level::Suspicious, Kind::Constant, 3).is_empty());
        assert_eq!(
            states(&mut alert, Level::Damning, Kind::Constant, 4),
            [State::Pending, State::Firing]
        );
    }

    #[test]
    fn a_better_name_replaces_the_first_without_a_step() {
        let mut alert = Alert::default();
        states(&mut alert, Level::Damning, Kind::NearConstant, 1);
        assert!(states(&mut alert, Level::Damning, Kind::Lagged, 2).is_empty());
        assert_eq!(alert.kind(), Some(Kind::Lagged));
    }
}
