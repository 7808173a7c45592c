//! The tap as a layer.

use super::{Tap, TapService};

/// Puts the tap in front of a service.
#[derive(Clone)]
pub struct TapLayer {
    tap: Tap,
}

impl TapLayer {
    /// A layer that shares `tap`.
    #[must_use]
    pub fn new(tap: Tap) -> Self {
        TapLayer { tap }
    }
}

impl<S> tower::Layer<S> for TapLayer {
    type Service = TapService<S>;

    fn layer(&self, inner: S) -> TapService<S> {
        TapService::new(inner, self.tap.clone())
    }
}
