//! Flatline between a raw HTTP/2 client and a raw HTTP/2 server, over real sockets.

mod captured;
mod failures;
mod faulty;
mod observation;
mod parts;
mod transparency;
mod truths;
