//! The load generator. Closed loop: every stream sends its next call when it has its reply. Open
//! loop (`--rate`): calls are due at fixed times and latency counts from when a call was due, so
//! that queueing is not left out.

use crate::upstream::framed;
use bytes::{Bytes, BytesMut};
use flatline::proto::tensorflow::serving::{ModelSpec, PredictRequest};
use flatline::proto::tensorflow::tensor_shape_proto::Dim;
use flatline::proto::tensorflow::{DataType, TensorProto, TensorShapeProto};
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::Request;
use prost::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[derive(clap::Args)]
pub struct Args {
    target: SocketAddr,
    /// Bytes of a request, about
    #[arg(long, default_value_t = 128)]
    size: usize,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Streams of each connection
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Calls in all, after a tenth as many to warm up
    #[arg(long, default_value_t = 1000)]
    calls: u64,
    /// The method called; another than Predict passes the tap by
    #[arg(long, default_value = "/tensorflow.serving.PredictionService/Predict")]
    path: String,
    /// Calls a second over all streams; closed loop without
    #[arg(long)]
    rate: Option<f64>,
}

struct Plan {
    template: Bytes,
    /// Where in the template the call's number goes.
    at: usize,
    next: AtomicU64,
    warm: u64,
    end: u64,
    rate: Option<f64>,
    start: Instant,
    uri: String,
}

pub async fn run(args: &Args) {
    let (template, at) = template(args.size);
    let warm = args.calls / 10 + 1;
    let plan = Arc::new(Plan {
        template,
        at,
        next: AtomicU64::new(0),
        warm,
        end: warm + args.calls,
        rate: args.rate,
        start: Instant::now(),
        uri: format!("http://{}{}", args.target, args.path),
    });
    let mut tasks = Vec::new();
    for _ in 0..args.connections {
        let stream = TcpStream::connect(args.target).await.expect("the target");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(64 << 20)
            .max_frame_size(64 << 10)
            .initial_max_send_streams(args.streams)
            .handshake(stream)
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        for _ in 0..args.streams {
            tasks.push(tokio::spawn(stream_of_calls(
                sender.clone(),
                Arc::clone(&plan),
            )));
        }
    }
    let began = Instant::now();
    let mut all = Histogram::<u64>::new(3).expect("a histogram");
    for task in tasks {
        all += task.await.expect("no call failed");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{{\"calls\":{},\"seconds\":{seconds:.4},\"mean_us\":{:.1},\"p50_us\":{:.1},\"p99_us\":{:.1}}}",
        plan.end,
        all.mean() / 1e3,
        all.value_at_quantile(0.5) as f64 / 1e3,
        all.value_at_quantile(0.99) as f64 / 1e3
    );
}

async fn stream_of_calls(sender: SendRequest<Bytes>, plan: Arc<Plan>) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).expect("a histogram");
    loop {
        let number = plan.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.end {
            return latencies;
        }
        let due = match plan.rate {
            None => Instant::now(),
            Some(rate) => plan.start + Duration::from_secs_f64(number as f64 / rate),
        };
        if plan.rate.is_some() {
            tokio::time::sleep_until(due.into()).await;
        }
        let mut body = BytesMut::from(&plan.template[..]);
        body[plan.at..plan.at + 8].copy_from_slice(&unlike(number));
        call(sender.clone(), &plan.uri, body.freeze()).await;
        if number >= plan.warm {
            let _ = latencies.record(due.elapsed().as_nanos() as u64);
        }
    }
}

async fn call(sender: SendRequest<Bytes>, uri: &str, mut body: Bytes) {
    let request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "flatline-bench")
        .body(())
        .expect("a request");
    let mut sender = sender.ready().await.expect("a connection");
    let (response, mut stream) = sender.send_request(request, false).expect("a stream");
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx))
            .await
            .expect("open")
            .expect("room");
        let part = body.split_to(room.min(body.len()));
        let end = body.is_empty();
        stream.send_data(part, end).expect("sent");
    }
    let mut reply = response.await.expect("headers").into_body();
    while let Some(data) = reply.data().await {
        let length = data.expect("data").len();
        let _ = reply.flow_control().release_capacity(length);
    }
    let trailers = reply.trailers().await.expect("trailers").expect("a status");
    assert_eq!(trailers["grpc-status"], "0");
}

/// Two floats that no other call has.
fn unlike(number: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&((number % 65_521) as f32).to_le_bytes());
    bytes[4..].copy_from_slice(&((number / 65_521) as f32 + 0.5).to_le_bytes());
    bytes
}

/// A framed request of about `size` bytes, and where its first float lies.
pub fn template(size: usize) -> (Bytes, usize) {
    let floats = (size.saturating_sub(60) / 4).max(8);
    const MARK: f32 = 1.234_567_8e19;
    let mut values: Vec<f32> = (0..floats).map(|i| (i as f32 * 0.37).sin()).collect();
    values[0] = MARK;
    let content: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dim = [1, floats as i64].map(|size| Dim {
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
        name: "bench".to_owned(),
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
    (body, at)
}
