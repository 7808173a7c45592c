//! Requests of any size: every row of every call like no other.

use bytes::{BufMut, Bytes, BytesMut};
use flatline::proto::tensorflow::serving::{ModelSpec, PredictRequest};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use prost::Message;

/// Two floats that no other call has.
fn unlike(number: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&((number % 65_521) as f32).to_le_bytes());
    bytes[4..].copy_from_slice(&((number / 65_521) as f32 + 0.5).to_le_bytes());
    bytes
}

/// A framed request.
pub struct Template {
    body: Bytes,
    /// Where the first row begins, how long a row is, and how many there are.
    at: usize,
    row: usize,
    rows: usize,
}

impl Template {
    /// A request whose every row is like no other row of any call.
    pub fn fill(&self, number: u64) -> Bytes {
        let mut body = BytesMut::from(&self.body[..]);
        for row in 0..self.rows {
            let at = self.at + row * self.row;
            let mark = unlike(number * self.rows as u64 + row as u64);
            body[at..at + 8].copy_from_slice(&mark);
        }
        body.freeze()
    }
}

/// A framed request for `model` of `rows` rows, each of about `size` bytes.
pub fn template(model: &str, size: usize, rows: usize) -> Template {
    let floats = (size.saturating_sub(60) / 4).max(8);
    const MARK: f32 = 1.234_567_8e19;
    let mut values: Vec<f32> = (0..floats * rows)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();
    values[0] = MARK;
    let content: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dim = [rows as i64, floats as i64].map(|size| Dim {
        size,
        name: String::new(),
    });
    let tensor = TensorProto {
        dtype: DataType::DtFloat as i32,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.into(),
            unknown_rank: false,
        }),
        tensor_content: content.into(),
        ..TensorProto::default()
    };
    let spec = ModelSpec {
        name: model.to_owned(),
        ..ModelSpec::default()
    };
    let request = PredictRequest {
        model_spec: Some(spec),
        inputs: [("x".to_owned(), tensor)].into(),
        output_filter: vec![],
    };
    let body = framed(&request.encode_to_vec());
    let mark = MARK.to_le_bytes();
    let at = body
        .windows(4)
        .position(|window| window == mark)
        .expect("the first float");
    Template {
        body,
        at,
        row: 4 * floats,
        rows,
    }
}

/// A length-prefixed gRPC message.
pub fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(5 + message.len());
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.extend_from_slice(message);
    body.freeze()
}
