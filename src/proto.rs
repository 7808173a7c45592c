//! Types generated from `proto/`.

#![allow(missing_docs, clippy::all, unreachable_pub)]

/// TensorFlow's tensors and signatures.
pub mod tensorflow {
    tonic::include_proto!("tensorflow");

    /// TensorFlow Serving's messages and services.
    pub mod serving {
        tonic::include_proto!("tensorflow.serving");
    }
}

/// Flatline's own messages.
pub mod flatline {
    /// Version 1; fields are added, never changed.
    pub mod v1 {
        tonic::include_proto!("flatline.v1");
    }
}
