//! Predict calls of a few numbers, for the tests that need no more of them.

use flatline::proto::flatline::v1::Exchange;
use flatline::proto::tensorflow::serving::{
    ModelSpec, PredictRequest, PredictResponse, model_spec,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{TensorProto, TensorShapeProto};
use prost::Message;

/// A float tensor.
pub(crate) fn floats(dims: &[i64], values: Vec<f32>) -> TensorProto {
    let dim = |size: &i64| Dim {
        size: *size,
        name: String::new(),
    };
    TensorProto {
        dtype: 1,
        tensor_shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
            unknown_rank: false,
        }),
        float_val: values,
        ..TensorProto::default()
    }
}

/// A Predict request with one input.
pub(crate) fn request(model: &str, input: &str, tensor: TensorProto) -> PredictRequest {
    PredictRequest {
        model_spec: Some(ModelSpec {
            name: model.to_owned(),
            ..ModelSpec::default()
        }),
        inputs: [(input.to_owned(), tensor)].into(),
        output_filter: vec![],
    }
}

/// An exchange of one row of the model, at second `at`.
pub(crate) fn exchange(model: &str, version: i64, at: i64, input: f32, output: f32) -> Exchange {
    let reply = PredictResponse {
        model_spec: Some(ModelSpec {
            name: model.to_owned(),
            version_choice: Some(model_spec::VersionChoice::Version(version)),
            ..ModelSpec::default()
        }),
        outputs: [("y".to_owned(), floats(&[1, 4], vec![output; 4]))].into(),
    };
    Exchange {
        start_unix_nanos: at * 1_000_000_000,
        method: "/tensorflow.serving.PredictionService/Predict".to_owned(),
        request: request(model, "x", floats(&[1, 2], vec![input, 1.0]))
            .encode_to_vec()
            .into(),
        response: reply.encode_to_vec().into(),
        ..Exchange::default()
    }
}
