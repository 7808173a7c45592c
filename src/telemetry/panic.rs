//! Panics in the log, each place once.

use std::collections::HashSet;
use std::panic;
use std::sync::{Mutex, PoisonError};

/// From here on a panic is a line of the log and no text on the error output; a second one of the
/// same place is told to those who debug. What it costs is said where it is caught.
pub fn say_panics_once() {
    let places = Mutex::new(HashSet::new());
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let reason = info.payload_as_str().unwrap_or_default();
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.insert(place.clone()) {
            tracing::error!(
                place,
                reason,
                "panic: a mistake in Flatline, please report it"
            );
        } else {
            tracing::debug!(place, reason, "panic again");
        }
    }));
}
