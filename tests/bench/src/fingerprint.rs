//! Bytes a second through view, effective tensor, fingerprint and sketch, on one core.

use crate::template::template;
use flatline::fingerprint::Key;
use flatline::fingerprint::call::read;
use flatline::proto::tensorflow::serving::{ModelSpec, PredictResponse, model_spec};
use flatline::proto::tensorflow::{DataType, TensorProto};
use prost::Message;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub fn run() {
    let key = Key::new([7; 32]);
    let output = TensorProto {
        dtype: DataType::DtFloat as i32,
        float_val: vec![0.5],
        ..TensorProto::default()
    };
    let spec = ModelSpec {
        version_choice: Some(model_spec::VersionChoice::Version(1)),
        ..ModelSpec::default()
    };
    let response = PredictResponse {
        outputs: [("y".to_owned(), output)].into(),
        model_spec: Some(spec),
    }
    .encode_to_vec();
    for size in [128, 16 << 10, 602 << 10] {
        let body = template("bench", size, 1).fill(1);
        let request = &body[5..];
        let (began, mut calls) = (Instant::now(), 0_u32);
        while began.elapsed() < Duration::from_millis(700) {
            black_box(read(black_box(request), &response, &[], &key).expect("readable"));
            calls += 1;
        }
        let each = began.elapsed() / calls;
        let speed = request.len() as f64 / each.as_secs_f64() / 1e9;
        println!(
            "{size:>7} B request: {:>8.2} us a call, {speed:.2} GB/s",
            each.as_secs_f64() * 1e6
        );
    }
}
