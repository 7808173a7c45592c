//! Ten floats for every call, taken from a hash of its request: distinct in, distinct out.

use crate::template::framed;
use bytes::Bytes;
use flatline::proto::tensorflow::serving::{ModelSpec, PredictResponse, model_spec};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

const CLASSES: usize = 10;

pub async fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        tokio::spawn(serve(stream));
    }
}

async fn serve(stream: TcpStream) {
    // Whoever only looks whether somebody listens sends no preface.
    let Ok(mut connection) = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(64 << 20)
        .max_concurrent_streams(10_000)
        .max_frame_size(64 << 10)
        .handshake::<_, Bytes>(stream)
        .await
    else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let rows = request.headers().get("rows");
            let rows = rows.map_or(1, |rows| {
                rows.to_str().expect("text").parse().expect("a number")
            });
            let mut body = request.into_body();
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                // The first bytes hold the call's own number: enough to answer each differently.
                for byte in data.iter().take(256) {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
                }
            }
            let mut headers = Response::new(());
            headers
                .headers_mut()
                .insert("content-type", HeaderValue::from_static("application/grpc"));
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            if let Ok(mut stream) = respond.send_response(headers, false) {
                let _ = stream.send_data(reply(hash, rows), false);
                let _ = stream.send_trailers(trailers);
            }
        });
    }
}

fn reply(hash: u64, rows: u64) -> Bytes {
    let scores = |row: u64| {
        let hash = hash ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..CLASSES).map(move |c| (hash.rotate_left(6 * c as u32) & 0xffff) as f32 / 65536.0)
    };
    let values: Vec<f32> = (0..rows).flat_map(scores).collect();
    let dim = [rows as i64, CLASSES as i64].map(|size| Dim {
        size,
        name: String::new(),
    });
    let tensor = TensorProto {
        dtype: DataType::DtFloat as i32,
        tensor_shape: Some(TensorShapeProto {
            dim: dim.into(),
            unknown_rank: false,
        }),
        float_val: values,
        ..TensorProto::default()
    };
    let spec = ModelSpec {
        name: "bench".to_owned(),
        version_choice: Some(model_spec::VersionChoice::Version(1)),
        ..ModelSpec::default()
    };
    let message = PredictResponse {
        outputs: [("scores".to_owned(), tensor)].into(),
        model_spec: Some(spec),
    };
    framed(&message.encode_to_vec())
}
