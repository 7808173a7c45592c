//! From the start of the process to the first reply through it.

use crate::load::call;
use crate::template::template;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

pub async fn run(flatline: &Path, upstream: SocketAddr) {
    let body = template("bench", 128, 1).fill(1);
    let began = Instant::now();
    let mut child = Command::new(flatline)
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--upstream", &upstream.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the proxy");
    let mut said = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let address = line.trim().rsplit(' ').next().expect("an address");
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("the proxy");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    let uri = format!("http://{address}/tensorflow.serving.PredictionService/Predict");
    call(sender, &uri, body, 1).await;
    println!("{{\"ms\":{:.2}}}", began.elapsed().as_secs_f64() * 1e3);
    child.kill().expect("killed");
    child.wait().expect("its end");
}
