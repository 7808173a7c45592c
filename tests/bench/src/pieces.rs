//! The pieces of work that a call is made of, one by one: timed by `cargo bench`, and counted in
//! instructions by `tests/bench/gate`.

use crate::template::template;
use bytes::Bytes;
use flatline::analyzer::{Analyzer, Options};
use flatline::codec::{frame, predict};
use flatline::fingerprint::call::read;
use flatline::fingerprint::{Key, ticket};
use flatline::proto::flatline::v1::Exchange;
use flatline::proto::tensorflow::serving::{
    ModelSpec, PredictRequest, PredictResponse, model_spec,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use flatline::report::State;
use flatline::telemetry::series_metrics;
use flatline::window::{Row, Window};
use prost::Message;
use std::hint::black_box;
use std::time::Duration;

/// One piece: what it handles each time, and the work.
// The binary counts instructions alone; the benchmark reads the sizes.
#[allow(dead_code)]
pub struct Piece {
    pub bytes: Option<usize>,
    pub rows: Option<usize>,
    pub work: Box<dyn FnMut()>,
}

/// Their names.
pub const NAMES: [&str; 18] = [
    "deframe-16kB",
    "deframe-602kB-ten-chunks",
    "view-602kB",
    "effective-602kB-content",
    "effective-602kB-packed",
    "fingerprint-128B",
    "fingerprint-16kB",
    "fingerprint-602kB",
    "fingerprint-512-rows",
    "ticket-602kB",
    "window-row",
    "analyze-128B",
    "analyze-512-rows",
    "verdict-json-64-series",
    "scrape-64-series",
    "scrape-256-series",
    "scrape-256-series-half-gone",
    "scrape-256-series-firing",
];

/// A piece by its name.
pub fn piece(name: &str) -> Piece {
    let key = Key::new([7; 32]);
    let bytes = |bytes: usize, work: Box<dyn FnMut()>| Piece {
        bytes: Some(bytes),
        rows: None,
        work,
    };
    let rows = |rows: usize, work: Box<dyn FnMut()>| Piece {
        bytes: None,
        rows: Some(rows),
        work,
    };
    match name {
        "deframe-16kB" => {
            let chunks = [template("m", 16_000, 1).fill(1)];
            bytes(chunks[0].len(), Box::new(move || deframe(&chunks)))
        }
        "deframe-602kB-ten-chunks" => {
            let body = template("m", 602_112, 1).fill(1);
            let chunks: Vec<Bytes> = body.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
            bytes(body.len(), Box::new(move || deframe(&chunks)))
        }
        "view-602kB" => {
            let message = message(602_112, 1);
            let work = move || drop(black_box(predict::request(black_box(&message))));
            bytes(602_112, Box::new(work))
        }
        "effective-602kB-content" => {
            let message = message(602_112, 1);
            bytes(602_112, Box::new(move || effective(&message)))
        }
        "effective-602kB-packed" => {
            let message = packed(150_528);
            bytes(602_112, Box::new(move || effective(&message)))
        }
        "fingerprint-128B" => bytes(128, fingerprint(128, 1, key)),
        "fingerprint-16kB" => bytes(16_000, fingerprint(16_000, 1, key)),
        "fingerprint-602kB" => bytes(602_112, fingerprint(602_112, 1, key)),
        "fingerprint-512-rows" => rows(512, fingerprint(128, 512, key)),
        "ticket-602kB" => {
            let message = message(602_112, 1);
            let work = move || {
                black_box(ticket::draw(black_box(&message), &[], &key));
            };
            bytes(602_112, Box::new(work))
        }
        "window-row" => {
            let (mut window, mut n) = (Window::new(Duration::from_secs(60), 4096), 0_u64);
            let work = move || {
                n += 1;
                let print = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let row = Row {
                    raw: print,
                    effective: print,
                    output: print.rotate_left(7),
                };
                window.record(n as i64 * 10_000, row);
            };
            rows(1, Box::new(work))
        }
        "analyze-128B" => rows(1, analyze(128, 1)),
        "analyze-512-rows" => rows(512, analyze(128, 512)),
        "verdict-json-64-series" => {
            let analyzer = with_series(64);
            let work = move || {
                let report = analyzer.report(1_000_000_000);
                drop(black_box(serde_json::to_vec(&report).expect("JSON")));
            };
            rows(64, Box::new(work))
        }
        "scrape-64-series" => rows(64, scrape(with_series(64), 1)),
        // As many series as there may be, each with a full window: with nothing to leave out, with
        // half of it too old, which is the most there is to count again, and with causes to judge.
        "scrape-256-series" => rows(256, scrape(with_windows(256), 35)),
        "scrape-256-series-half-gone" => rows(256, scrape(with_windows(256), 76)),
        "scrape-256-series-firing" => rows(256, scrape(firing(256), 35)),
        _ => panic!("no piece `{name}`; there are {NAMES:?}"),
    }
}

/// Does a piece `times` times.
pub fn repeat(name: &str, times: u64) {
    let mut piece = piece(name);
    for _ in 0..times {
        (piece.work)();
    }
}

fn deframe(chunks: &[Bytes]) {
    drop(black_box(
        frame::message(black_box(chunks), None, 64 << 20).expect("a message"),
    ));
}

fn effective(message: &[u8]) {
    let view = predict::request(black_box(message)).expect("a request");
    for (_, tensor) in &view.tensors {
        drop(black_box(tensor.effective().expect("a tensor")));
    }
}

fn fingerprint(size: usize, rows: usize, key: Key) -> Box<dyn FnMut()> {
    let (request, response) = (message(size, rows), reply(rows, 1));
    Box::new(move || {
        drop(black_box(
            read(black_box(&request), &response, &[], &key).expect("readable"),
        ))
    })
}

/// The whole analyzer, baseline learned, every call with inputs and outputs of its own.
fn analyze(size: usize, rows: usize) -> Box<dyn FnMut()> {
    let template = template("m", size, rows);
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    let mut number = 0;
    let mut next = move || {
        number += 1;
        let exchange = exchange(
            template.fill(number).slice(5..),
            reply(rows, number),
            number,
        );
        assert_eq!(analyzer.observe(&exchange).skipped, None);
    };
    for _ in 0..4096_usize.div_ceil(rows) {
        next();
    }
    Box::new(next)
}

fn with_series(count: usize) -> Analyzer {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    for series in 0..count {
        let template = template(&format!("m{series}"), 128, 1);
        for number in 0..32 {
            let exchange = exchange(template.fill(number).slice(5..), reply(1, number), number);
            analyzer.observe(&exchange);
        }
    }
    analyzer
}

/// What `/metrics` asks of the analyzer, and its text.
fn scrape(mut analyzer: Analyzer, second: i64) -> Box<dyn FnMut()> {
    let now = second * 1_000_000_000;
    Box::new(move || {
        let traffic = analyzer.traffic(now);
        let report = analyzer.report(now);
        drop(black_box(series_metrics(&report, &traffic)));
    })
}

/// Series with 4,096 rows each over 35 seconds, every input twice: with all of them new, each
/// series would learn a baseline first.
fn with_windows(count: usize) -> Analyzer {
    let analyzer = fed(count, 512, 8, |number| reply(512, number % 4));
    let report = analyzer.report(35_000_000_000);
    assert!(report.series.iter().all(|s| s.window.rows == 4096));
    analyzer
}

/// Series that have answered the same for 35 seconds.
fn firing(count: usize) -> Analyzer {
    let analyzer = fed(count, 1, 600, |_| reply(1, 1));
    let report = analyzer.report(35_000_000_000);
    assert!(report.series.iter().all(|s| s.state == State::Firing));
    analyzer
}

/// So many series of so many calls, the last one 35 seconds after the first.
fn fed(series: usize, rows: usize, calls: u64, reply: impl Fn(u64) -> Vec<u8>) -> Analyzer {
    let mut analyzer = Analyzer::new(Options::default(), [7; 32]);
    for series in 0..series {
        let template = template(&format!("m{series}"), 128, rows);
        for number in 0..calls {
            let request = template.fill(number % calls.div_ceil(2)).slice(5..);
            let mut exchange = exchange(request, reply(number), number);
            exchange.start_unix_nanos = number as i64 * 34_900_000_000 / (calls as i64 - 1);
            assert_eq!(analyzer.observe(&exchange).skipped, None);
        }
    }
    analyzer
}

fn exchange(request: Bytes, response: Vec<u8>, number: u64) -> Exchange {
    Exchange {
        start_unix_nanos: number as i64 * 1_000_000,
        duration_nanos: 1_000_000,
        request,
        response: response.into(),
        ..Exchange::default()
    }
}

fn message(size: usize, rows: usize) -> Vec<u8> {
    template("m", size, rows).fill(1)[5..].to_vec()
}

fn tensor(dims: &[i64]) -> TensorProto {
    let dim = dims.iter().map(|&size| Dim {
        size,
        name: String::new(),
    });
    TensorProto {
        dtype: DataType::DtFloat as i32,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.collect(),
            unknown_rank: false,
        }),
        ..TensorProto::default()
    }
}

fn packed(floats: usize) -> Vec<u8> {
    let tensor = TensorProto {
        float_val: (0..floats).map(|i| (i as f32 * 0.37).sin()).collect(),
        ..tensor(&[1, floats as i64])
    };
    let spec = ModelSpec {
        name: "m".to_owned(),
        ..ModelSpec::default()
    };
    PredictRequest {
        model_spec: Some(spec),
        inputs: [("x".to_owned(), tensor)].into(),
        output_filter: vec![],
    }
    .encode_to_vec()
}

fn reply(rows: usize, number: u64) -> Vec<u8> {
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let values = (0..10 * rows as u32)
        .map(|i| (hash.rotate_left(6 * (i % 10) + i / 10) & 0xffff) as f32 / 65536.0);
    let tensor = TensorProto {
        float_val: values.collect(),
        ..tensor(&[rows as i64, 10])
    };
    let spec = ModelSpec {
        version_choice: Some(model_spec::VersionChoice::Version(1)),
        ..ModelSpec::default()
    };
    PredictResponse {
        outputs: [("y".to_owned(), tensor)].into(),
        model_spec: Some(spec),
    }
    .encode_to_vec()
}
