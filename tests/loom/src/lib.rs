//! Every order of the steps of what threads share by hand: the files of the crate as they are, with
//! loom's atomics in the place of the standard library's.
//! `cargo test --manifest-path tests/loom/Cargo.toml --release`

#![cfg(test)]

mod sync {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}

#[path = "../../../src/tap/budget.rs"]
mod budget;
#[path = "../../../src/observe/waiting.rs"]
#[allow(dead_code)] // A bound that is another part's.
mod waiting;

use budget::Budget;
use loom::sync::mpsc::channel;
use loom::sync::{Arc, Mutex};
use loom::thread;
use waiting::{Bounds, ENOUGH, Waiting};

/// Two bodies that grow at once and end at once.
#[test]
fn no_more_than_the_budget_is_ever_granted_and_all_of_it_comes_back() {
    loom::model(|| {
        let budget = Budget::new(100);
        let granted = Arc::new(Mutex::new(0_usize));
        let bodies = [70, 40].map(|bytes| {
            let (budget, granted) = (budget.clone(), Arc::clone(&granted));
            thread::spawn(move || {
                let mut permit = budget.permit();
                let mut mine = 0;
                for part in [bytes, 20] {
                    if permit.take(part) {
                        mine += part;
                        let mut granted = granted.lock().unwrap();
                        *granted += part;
                        assert!(*granted <= 100);
                    }
                }
                *granted.lock().unwrap() -= mine;
                drop(permit);
            })
        });
        for body in bodies {
            body.join().unwrap();
        }
        assert_eq!(budget.held(), 0);
        assert!(budget.permit().take(100), "all of it can be had again");
    });
}

const BOUNDS: Bounds = Bounds {
    queue: 2,
    message: 0,
    total: 4 * ENOUGH,
};

/// Two connections that send, one of them to a full queue, and the analyzer that takes.
#[test]
fn what_waits_is_never_less_than_nothing_and_nothing_in_the_end() {
    loom::model(|| {
        let waiting = Arc::new(Waiting::default());
        let (sender, receiver) = channel();
        let sends = [(ENOUGH, true), (10, false)].map(|(size, room)| {
            let (waiting, sender) = (Arc::clone(&waiting), sender.clone());
            thread::spawn(move || {
                waiting.add(size);
                if room {
                    sender.send(size).unwrap();
                } else {
                    waiting.took(size);
                }
            })
        });
        drop(sender);
        let size = receiver.recv().unwrap();
        let filled = waiting.filled(&BOUNDS);
        assert!((0.25..=1.0).contains(&filled), "{filled}");
        waiting.took(size);
        let filled = waiting.filled(&BOUNDS);
        assert!((0.0..=0.5).contains(&filled), "{filled}");
        for send in sends {
            send.join().unwrap();
        }
        assert_eq!(waiting.filled(&BOUNDS), 0.0);
    });
}

/// Three calls that only together are enough, while none is taken.
#[test]
fn one_call_wakes_the_analyzer_when_enough_waits() {
    loom::model(|| {
        let waiting = Arc::new(Waiting::default());
        let calls = [ENOUGH / 2, ENOUGH / 2, ENOUGH / 2].map(|size| {
            let waiting = Arc::clone(&waiting);
            thread::spawn(move || waiting.add(size))
        });
        let woke = calls.into_iter().map(|call| call.join().unwrap());
        assert_eq!(woke.filter(|woke| *woke).count(), 1);
    });
}
