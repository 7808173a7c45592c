//! The load generator. Closed loop: every stream sends its next call when it has its reply. Open
//! loop (`--rate`): calls are due at fixed times and latency counts from when a call was due, so
//! that queueing is not left out.

use crate::template::{Template, template};
use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Time for all connections before the first call is due.
const CONNECTING: Duration = Duration::from_millis(200);

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
    /// Models that the calls go to in turn
    #[arg(long, default_value_t = 1)]
    series: usize,
    /// Rows of a request, each of about `size` bytes
    #[arg(long, default_value_t = 1)]
    rows: usize,
    /// The method called; another than Predict passes the tap by
    #[arg(long, default_value = "/tensorflow.serving.PredictionService/Predict")]
    path: String,
    /// Calls a second over all streams; closed loop without
    #[arg(long)]
    rate: Option<f64>,
}

struct Plan {
    /// One for each series.
    templates: Vec<Template>,
    rows: usize,
    /// Calls that are due and not yet taken, if there is a rate.
    due: Semaphore,
    next: AtomicU64,
    warm: u64,
    end: u64,
    rate: Option<f64>,
    start: Instant,
    uri: String,
}

pub async fn run(args: &Args) {
    let named = |i| template(&format!("bench{i}"), args.size, args.rows);
    let warm = args.calls / 10 + 1;
    let plan = Arc::new(Plan {
        templates: (0..args.series.max(1)).map(named).collect(),
        rows: args.rows,
        due: Semaphore::new(0),
        next: AtomicU64::new(0),
        warm,
        end: warm + args.calls,
        rate: args.rate,
        start: Instant::now() + CONNECTING,
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
    if args.rate.is_some() {
        let plan = Arc::clone(&plan);
        std::thread::spawn(move || pace(&plan));
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
            Some(rate) => {
                plan.due.acquire().await.expect("never closed").forget();
                plan.due_at(number, rate)
            }
        };
        let template = &plan.templates[number as usize % plan.templates.len()];
        call(sender.clone(), &plan.uri, template.fill(number), plan.rows).await;
        if number >= plan.warm {
            let _ = latencies.record(due.elapsed().as_nanos() as u64);
        }
    }
}

impl Plan {
    fn due_at(&self, number: u64, rate: f64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / rate)
    }
}

/// Lets every call go when it is due. A thread, because the runtime's timers tick in milliseconds.
fn pace(plan: &Plan) {
    let rate = plan.rate.expect("a rate");
    for number in 0..plan.end {
        let wait = plan
            .due_at(number, rate)
            .saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        plan.due.add_permits(1);
    }
}

pub async fn call(sender: SendRequest<Bytes>, uri: &str, mut body: Bytes, rows: usize) {
    let mut request = Request::post(uri);
    if rows > 1 {
        request = request.header("rows", rows);
    }
    let request = request
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
