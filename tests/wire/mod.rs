//! Flatline as a process between a raw HTTP/2 client and a raw HTTP/2 server that can misbehave.

mod addresses;
mod attacks;
mod calls;
mod certificates;
mod faults;
mod frames;
mod framing;
mod frozen;
mod metadata;
mod names;
mod observing;
mod operation;
mod peer;
mod pressure;
mod process;
mod resets;
mod rules;
mod scrapes;
mod silence;
mod timers;
mod tls;
