//! The demonstration without the proxy: a model server and its clients around a Flatline that runs
//! by itself, with faults switched on and off by name.

use super::client::Client;
use super::server::{Fault, ModelServer};
use crate::config::Address;
use crate::error::Error;
use clap::ValueEnum;
use std::io::BufRead;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Rows between two looks at the faults.
const STEP: u64 = 16;
/// Pause before a client tries again.
const AGAIN: Duration = Duration::from_millis(500);

/// What runs where.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the model server is to listen.
    pub model_server: String,
    /// The Flatline through which the clients call.
    pub through: Address,
    /// Rows a second; 0 for as fast as it goes.
    pub rate: u64,
    /// Seed of the traffic.
    pub seed: u64,
}

/// Runs until interrupted. Each line of standard input names a fault that replaces the last.
///
/// # Errors
/// When the model server cannot listen.
pub async fn run_parts(parts: Parts) -> Result<(), Error> {
    let server = ModelServer::bind(&parts.model_server)
        .await
        .map_err(|error| {
            let address = &parts.model_server;
            Error::Config(format!(
                "model-server: cannot listen on `{address}`: {error} (example: 127.0.0.1:8510)"
            ))
        })?;
    println!("model server on {}", server.address());
    let faults = faults();
    tokio::select! {
        () = clients(&parts, &server, faults) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// Calls for ever; whatever happens to the proxy, the client comes again.
async fn clients(parts: &Parts, server: &ModelServer, mut faults: UnboundedReceiver<Fault>) {
    let mut fault = Fault::None;
    loop {
        let mut client = match Client::connect(&parts.through, parts.seed).await {
            Ok(client) => client,
            Err(_) => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        loop {
            while let Ok(named) = faults.try_recv() {
                fault = named;
                println!("fault: {fault:?}");
            }
            server.set(fault);
            client.set(fault);
            if let Err(error) = client.send(client.rows() + STEP, parts.rate).await {
                eprintln!("{error}");
                tokio::time::sleep(AGAIN).await;
                break;
            }
        }
    }
}

/// Faults as they are named on standard input.
fn faults() -> UnboundedReceiver<Fault> {
    let (sender, receiver) = unbounded_channel();
    // A thread of its own: reading standard input cannot be cancelled.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match Fault::from_str(line.trim(), true) {
                Ok(fault) if sender.send(fault).is_ok() => {}
                Ok(_) => return,
                Err(_) => {
                    let known = Fault::value_variants().iter();
                    let known: Vec<_> = known.filter_map(ValueEnum::to_possible_value).collect();
                    let known: Vec<_> = known.iter().map(|value| value.get_name()).collect();
                    eprintln!("no fault `{}`; known are {}", line.trim(), known.join(", "));
                }
            }
        }
    });
    receiver
}
