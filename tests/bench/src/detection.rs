//! Labelled streams through the analyzer: one line of JSON a stream, with what was found and when.
//!
//! A stream is an FLS1 file: `FLS1`, one line of JSON that describes the arrays, the arrays.

use flatline::analyzer::{Analyzer, Options};
use flatline::proto::flatline::v1::Exchange;
use flatline::proto::tensorflow::serving::{
    ModelSpec, PredictRequest, PredictResponse, model_spec,
};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use flatline::report::State;
use prost::Message;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Reads and judges every file.
pub fn run(files: &[PathBuf]) {
    for path in files {
        println!("{}", judge(&Stream::read(path)));
    }
}

struct Stream {
    meta: Value,
    arrays: HashMap<String, Array>,
}

/// Shape, little-endian bytes, and the kind as numpy writes it: `f`, `i`, `b` or `S`.
struct Array(Vec<usize>, Vec<u8>, char);

impl Stream {
    fn read(path: &Path) -> Stream {
        let bytes = std::fs::read(path).expect("a readable file");
        let body = bytes.strip_prefix(b"FLS1\n").expect("an FLS1 file");
        let line = body.iter().position(|b| *b == b'\n').expect("a header");
        let header: Value = serde_json::from_slice(&body[..line]).expect("JSON");
        let data = &body[line + 1..];
        let mut arrays = HashMap::new();
        for array in header["arrays"].as_array().expect("arrays") {
            let shape: Vec<usize> = array["shape"]
                .as_array()
                .expect("a shape")
                .iter()
                .map(|n| n.as_u64().expect("a size") as usize)
                .collect();
            let dtype = array["dtype"].as_str().expect("a type");
            let size: usize = dtype[2..].parse().expect("a size");
            let start = array["offset"].as_u64().expect("an offset") as usize;
            let end = start + size * shape.iter().product::<usize>();
            arrays.insert(
                array["name"].as_str().expect("a name").to_owned(),
                Array(
                    shape,
                    data[start..end].to_vec(),
                    dtype.as_bytes()[1].into(),
                ),
            );
        }
        Stream {
            meta: header["meta"].clone(),
            arrays,
        }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        &self.arrays[name].1
    }

    fn width(&self, name: &str) -> usize {
        self.arrays[name].0[1]
    }

    fn f64(&self, name: &str, i: usize) -> f64 {
        f64::from_le_bytes(
            self.bytes(name)[8 * i..8 * i + 8]
                .try_into()
                .expect("eight bytes"),
        )
    }

    fn f32(&self, name: &str, i: usize) -> f32 {
        f32::from_le_bytes(
            self.bytes(name)[4 * i..4 * i + 4]
                .try_into()
                .expect("four bytes"),
        )
    }

    fn request(&self, i: usize) -> &[u8] {
        &self.bytes("req")[4 * i..4 * i + 4]
    }
}

fn judge(stream: &Stream) -> Value {
    let rows = stream.arrays["req"].0[0];
    let mut analyzer = Analyzer::new(
        Options {
            max_transitions: usize::MAX,
            ..Options::default()
        },
        [0; 32],
    );
    let (mut found, mut spent, mut start) = (Vec::new(), Duration::ZERO, 0);
    while start < rows {
        let mut end = start + 1;
        while end < rows && stream.request(end) == stream.request(start) {
            end += 1;
        }
        let exchange = exchange(stream, start, end);
        let began = Instant::now();
        let outcome = analyzer.observe(&exchange);
        spent += began.elapsed();
        assert_eq!(outcome.skipped, None);
        for step in outcome.transitions {
            let firing = step.to == State::Firing;
            let evidence = firing.then(|| evidence(&analyzer));
            found.push(json!({"row": end - 1, "to": step.to, "kind": step.kind, "firing": firing, "evidence": evidence}));
        }
        // The name may become better with more rows.
        if start % 4096 < end - start || end == rows {
            for series in analyzer
                .report(0)
                .series
                .iter()
                .filter(|s| s.state == State::Firing)
            {
                found.push(json!({"row": end - 1, "renamed": series.kind}));
            }
        }
        start = end;
    }
    json!({"meta": stream.meta, "rows": rows, "us_per_row": spent.as_secs_f64() * 1e6 / rows as f64, "found": found})
}

fn evidence(analyzer: &Analyzer) -> Vec<String> {
    let firing = |s: &flatline::report::Series| s.state == State::Firing;
    let series = analyzer.report(0).series.into_iter().find(firing);
    series.map(|s| s.evidence).unwrap_or_default()
}

fn exchange(stream: &Stream, start: usize, end: usize) -> Exchange {
    let rows = end - start;
    let (inputs, outputs) = (stream.width("X"), stream.width("Y"));
    let x = &stream.bytes("X")[4 * inputs * start..4 * inputs * end];
    let size = stream.bytes("Y").len() / stream.arrays["Y"].0.iter().product::<usize>();
    let y = &stream.bytes("Y")[size * outputs * start..size * outputs * end];
    let dtype = match (stream.arrays["Y"].2, size) {
        ('S', _) => DataType::DtString,
        ('i', 8) => DataType::DtInt64,
        ('f', 8) => DataType::DtDouble,
        _ => DataType::DtFloat,
    };
    let mut replied = tensor(dtype, rows, outputs, y);
    if dtype == DataType::DtString {
        let text = |bytes: &[u8]| bytes.split(|b| *b == 0).next().unwrap_or(&[]).to_vec();
        replied.tensor_content = Vec::new().into();
        replied.string_val = y.chunks(size).map(|bytes| text(bytes).into()).collect();
    }
    let version = i64::from(stream.bytes("ver")[start] as i8);
    let spec = |version| {
        Some(ModelSpec {
            name: "m".to_owned(),
            version_choice: version,
            ..ModelSpec::default()
        })
    };
    let request = PredictRequest {
        model_spec: spec(None),
        inputs: [("x".to_owned(), tensor(DataType::DtFloat, rows, inputs, x))].into(),
        output_filter: vec![],
    };
    let response = PredictResponse {
        model_spec: spec(Some(model_spec::VersionChoice::Version(version))),
        outputs: [("y".to_owned(), replied)].into(),
    };
    let latency = f64::from(stream.f32("lat", start)) * 1e6;
    Exchange {
        start_unix_nanos: (stream.f64("t", start) * 1e9) as i64,
        duration_nanos: latency as i64,
        method: "/tensorflow.serving.PredictionService/Predict".to_owned(),
        request: request.encode_to_vec().into(),
        response: response.encode_to_vec().into(),
        ..Exchange::default()
    }
}

fn tensor(dtype: DataType, rows: usize, width: usize, content: &[u8]) -> TensorProto {
    let dim = [rows, width].map(|size| Dim {
        size: size as i64,
        name: String::new(),
    });
    TensorProto {
        dtype: dtype as i32,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.into(),
            unknown_rank: false,
        }),
        tensor_content: content.to_vec().into(),
        ..TensorProto::default()
    }
}
