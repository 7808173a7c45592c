//! Flatline as a process between a raw HTTP/2 client and a raw HTTP/2 server that can misbehave.

mod attacks;
mod faults;
mod framing;
mod metadata;
mod peer;
mod pressure;
mod process;
