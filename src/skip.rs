//! Why a call was forwarded but not observed.

/// The reason, one per counter label. A skipped call is always forwarded untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// A body was larger than the bound per call.
    TooLarge,
    /// The tap held as many bytes as it may over all calls.
    MemoryFull,
    /// A body came in more chunks than the tap keeps handles for.
    TooManyChunks,
    /// The queue to the analyzer was full.
    QueueFull,
    /// The call ended with a status other than OK.
    NotOk,
    /// The call was cancelled, or an end went away before the reply was complete.
    Incomplete,
    /// A length-prefixed message was cut, too long, doubled or had unknown flags.
    Framing,
    /// A message was compressed in a way that Flatline cannot read, or not as declared.
    Compression,
    /// A message inflated beyond the bound.
    InflatedTooLarge,
    /// A body was not the protobuf message that its method takes.
    Protobuf,
    /// The request has no `model_spec`, or the reply names no version.
    NoModel,
    /// A tensor that TensorFlow itself would refuse: negative sizes, a wrong length, a bad type.
    Tensor,
    /// A tensor type that has no elements to compare, such as a resource.
    DataType,
    /// The same map key twice with different tensors.
    DuplicateKey,
    /// The call has no rows: a dimension is zero.
    Empty,
    /// The analyzer panicked on this call.
    Panic,
    /// One request that comes again and again by the clock, beside other traffic.
    Probe,
    /// The very first request, sent again before any other.
    WarmUp,
    /// The analyzer could not keep up, and reads a share of the inputs only.
    Thinned,
}

impl Skip {
    /// Every reason, in the order in which they are listed to users.
    pub const ALL: [Skip; 19] = [
        Skip::TooLarge,
        Skip::MemoryFull,
        Skip::TooManyChunks,
        Skip::QueueFull,
        Skip::NotOk,
        Skip::Incomplete,
        Skip::Framing,
        Skip::Compression,
        Skip::InflatedTooLarge,
        Skip::Protobuf,
        Skip::NoModel,
        Skip::Tensor,
        Skip::DataType,
        Skip::DuplicateKey,
        Skip::Empty,
        Skip::Panic,
        Skip::Probe,
        Skip::WarmUp,
        Skip::Thinned,
    ];

    /// The label value: stable, lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Skip::TooLarge => "too_large",
            Skip::MemoryFull => "memory_full",
            Skip::TooManyChunks => "too_many_chunks",
            Skip::QueueFull => "queue_full",
            Skip::NotOk => "not_ok",
            Skip::Incomplete => "incomplete",
            Skip::Framing => "framing",
            Skip::Compression => "compression",
            Skip::InflatedTooLarge => "inflated_too_large",
            Skip::Protobuf => "protobuf",
            Skip::NoModel => "no_model",
            Skip::Tensor => "tensor",
            Skip::DataType => "data_type",
            Skip::DuplicateKey => "duplicate_key",
            Skip::Empty => "empty",
            Skip::Panic => "panic",
            Skip::Probe => "probe",
            Skip::WarmUp => "warm_up",
            Skip::Thinned => "thinned",
        }
    }
}

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Skip;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_its_own_label() {
        let labels: BTreeSet<_> = Skip::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(labels.len(), Skip::ALL.len());
    }
}
