//! What one series holds at the most, counted by an allocator of its own.

use flatline::analyzer::{Analyzer, Options};
use flatline::proto::flatline::v1::Exchange;
use flatline::proto::tensorflow::serving::{PredictRequest, PredictResponse};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{TensorProto, TensorShapeProto};
use prost::Message;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ROWS: u64 = 32;
const MOST: usize = 4 << 20;

fn floats(values: Vec<f32>, rows: u64) -> TensorProto {
    let width = values.len() as u64 / rows;
    let dim = [rows, width].map(|size| Dim {
        size: size as i64,
        name: String::new(),
    });
    TensorProto {
        dtype: 1,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.into(),
            unknown_rank: false,
        }),
        float_val: values,
        ..TensorProto::default()
    }
}

/// Call `n`: rows of 64 inputs and 16 outputs, all of them new, over many connections.
fn exchange(n: u64) -> Exchange {
    let noise = |width: u64, salt: u64| -> Vec<f32> {
        let at = |i: u64| {
            let x = (n * 131 + i + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (x >> 40) as f32 / (1 << 24) as f32
        };
        (0..ROWS * width).map(at).collect()
    };
    let request = PredictRequest {
        inputs: [("x".to_owned(), floats(noise(64, 0), ROWS))].into(),
        model_spec: Some(flatline::proto::tensorflow::serving::ModelSpec {
            name: "m".to_owned(),
            ..Default::default()
        }),
        output_filter: vec![],
    };
    let response = PredictResponse {
        outputs: [("y".to_owned(), floats(noise(16, 9_999_991), ROWS))].into(),
        model_spec: None,
    };
    Exchange {
        start_unix_nanos: n as i64 * 1_000_000,
        duration_nanos: 2_000_000,
        request: request.encode_to_vec().into(),
        response: response.encode_to_vec().into(),
        user_agent: "a client with a name of some length/1.0 (linux; amd64)".to_owned(),
        connection: n % 300,
        ..Exchange::default()
    }
}

#[test]
fn a_series_holds_at_most_four_mebibytes() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().curr_bytes;
    let mut analyzer = Analyzer::new(Options::default(), [1; 32]);
    let mut most = 0;
    // More rows than inputs are remembered.
    for n in 0..(70_000 / ROWS) {
        analyzer.observe(&exchange(n));
        most = most.max(dhat::HeapStats::get().curr_bytes - before);
    }
    let peak = dhat::HeapStats::get().max_bytes - before;
    println!("held {most} bytes between calls, {peak} within one");
    assert!(most <= MOST, "{most} bytes between calls");
    assert!(most > 1 << 20, "the allocator counts");
}
