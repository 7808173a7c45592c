//! The webhook over real TLS, with the reviews that an API server sent.

mod caller;
mod cluster;
mod own;
mod reviews;
mod swap;
