//! Compiles `proto/` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "tensorflow/tensor.proto",
        "tensorflow/meta_graph.proto",
        "tensorflow/serving/model.proto",
        "tensorflow/serving/predict.proto",
        "tensorflow/serving/prediction_service.proto",
        "tensorflow/serving/model_service.proto",
        "tensorflow/serving/prediction_log.proto",
        "flatline/v1/exchange.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        // Payloads are handed on as reference-counted slices, never copied.
        .bytes(".flatline.v1.Exchange")
        .bytes(".tensorflow.TensorProto.tensor_content")
        .compile_fds(descriptors)?;
    Ok(())
}
