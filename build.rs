//! Compiles `proto/` with protox, so that no `protoc` is needed.

use std::path::PathBuf;
use std::{env, fs};

/// Read as text by its field names, so its descriptors are kept beside the generated types.
const MODELS_CONFIG: &str = "tensorflow/serving/model_server_config.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "tensorflow/tensor.proto",
        "tensorflow/meta_graph.proto",
        "tensorflow/saved_model.proto",
        "tensorflow/serving/model.proto",
        "tensorflow/serving/predict.proto",
        "tensorflow/serving/prediction_service.proto",
        "tensorflow/serving/model_service.proto",
        "tensorflow/serving/prediction_log.proto",
        "flatline/v1/exchange.proto",
        // For tests/interop; the library does not include what comes of it.
        "grpc/testing.proto",
        MODELS_CONFIG,
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        // Payloads are handed on as reference-counted slices, never copied.
        .bytes(".flatline.v1.Exchange")
        .bytes(".tensorflow.TensorProto.tensor_content")
        .compile_fds(descriptors)?;

    let models_config = protox::Compiler::new(["proto"])?
        .include_imports(true)
        .open_file(MODELS_CONFIG)?
        .encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("model_server_config.bin"), models_config)?;
    Ok(())
}
