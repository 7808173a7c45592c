//! `flatline demo`: a model server, its clients, the proxy in between and a scripted fault, all
//! in one process, over real sockets.

mod client;
pub mod digits;
mod parts;
pub mod server;
mod view;

use crate::app::{self, Running};
use crate::config::{Address, Config, Raw};
use crate::error::Error;
use crate::explain;
use crate::report::{Kind, Report, Series, State};
use client::Client;
pub use parts::{Parts, run_parts};
use server::{Fault, ModelServer};
use view::View;

/// What to show.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What goes wrong.
    pub fault: Fault,
    /// Healthy rows before the fault.
    pub healthy_rows: u64,
    /// Most rows after it.
    pub faulty_rows: u64,
    /// Rows a second; 0 for as fast as it goes.
    pub rate: u64,
    /// Seed of the traffic.
    pub seed: u64,
    /// Stay after the verdict until interrupted.
    pub keep: bool,
}

/// How the demonstration went.
#[derive(Debug)]
pub struct Outcome {
    /// The last report.
    pub report: Report,
    /// Whether the verdict is the one that the fault should bring.
    pub as_scripted: bool,
    /// Distinct inputs sent between the fault and the verdict.
    pub rows_to_verdict: Option<u64>,
}

/// Plays the script and prints what happens.
///
/// # Errors
/// When something could not be started, or a call failed: the proxy may not fail one.
pub async fn play(script: Script) -> Result<Outcome, Error> {
    let server = ModelServer::spawn()
        .await
        .map_err(|e| Error::Internal(format!("model server: {e}")))?;
    let running = app::start(config(server.address())?).await?;
    let mut view = View::new(&script, &running);
    let mut client = Client::connect(&running.listen, script.seed).await?;
    let expected = script.fault.expected();

    let mut report = send(
        &mut client,
        &running,
        &mut view,
        &script,
        script.healthy_rows,
        |_| false,
    )
    .await?;
    let mut rows_to_verdict = None;
    let calm = report.transitions.is_empty();
    if script.fault != Fault::None {
        view.fault(script.fault);
        server.set(script.fault);
        client.set(script.fault);
        let before = client.rows();
        let reached = |report: &Report| {
            verdict(report).is_some_and(|series| Some(series_end(series)) == expected)
        };
        report = send(
            &mut client,
            &running,
            &mut view,
            &script,
            script.faulty_rows,
            reached,
        )
        .await?;
        rows_to_verdict = verdict(&report).map(|_| client.rows() - before);
    }
    let found = verdict(&report).map(series_end);
    let outcome = Outcome {
        as_scripted: calm && found == expected,
        rows_to_verdict,
        report,
    };
    view.end(&script, &outcome, &explain::report(&outcome.report));
    if script.keep {
        view.kept(&running);
        let _ = tokio::signal::ctrl_c().await;
    }
    drop(client);
    running.shutdown().await;
    Ok(outcome)
}

/// Sends `rows` rows, or fewer if `enough` says so, and shows the reports meanwhile.
async fn send(
    client: &mut Client,
    running: &Running,
    view: &mut View,
    script: &Script,
    rows: u64,
    enough: impl Fn(&Report) -> bool,
) -> Result<Report, Error> {
    let end = client.rows() + rows;
    loop {
        // Small steps, so that the verdict is seen soon after the row that brought it.
        client
            .send(end.min(client.rows() + 64), script.rate)
            .await?;
        let report = running.report().await;
        let report = report.ok_or_else(|| Error::Internal("the analyzer has ended".to_owned()))?;
        view.update(client.rows(), &report);
        if client.rows() >= end || enough(&report) {
            return Ok(report);
        }
    }
}

fn config(upstream: Address) -> Result<Config, Error> {
    let mut config = Config::check(&Raw::default())?;
    config.listen = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.admin = Address::Tcp("127.0.0.1".to_owned(), 0);
    config.upstream = upstream;
    Ok(config)
}

/// The series that has something to say, the newest version first.
fn verdict(report: &Report) -> Option<&Series> {
    report
        .series
        .iter()
        .rev()
        .find(|series| series.state != State::Inactive)
}

fn series_end(series: &Series) -> (State, Option<Kind>) {
    (series.state, series.kind)
}
