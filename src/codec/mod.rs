//! From the bytes of a call to tensors: gRPC framing, compression, protobuf views, and the
//! *effective tensor*, decoded exactly as TensorFlow decodes it.
//!
//! Nothing here panics on any input, and nothing is allocated by a length that a message declares.

pub mod dtype;
pub mod frame;
pub mod predict;
mod strict;
pub mod tensor;
mod values;
pub mod wire;
