//! `flatline inject`

use super::injection::Injection;
use crate::error::{Error, findings};
use crate::manifest::{Done, Note, rewrite};
use std::io::Read;
use std::process::ExitCode;

/// Put the sidecar into every pod of a manifest, as the webhook does
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kubectl get deployment digits -o yaml | flatline inject -f - | kubectl apply -f -\n\nReads streams of YAML documents or JSON values: Pods, Deployments, StatefulSets, DaemonSets,\nReplicaSets, Jobs, CronJobs and Lists of them. Everything else is printed byte for byte as it\nwas. The summary goes to stderr.\n\nExit code 0, also where a pod is skipped for a reason; 1 when a document is broken, or a pod was not\ninjected because of a wrong annotation, whether its document is printed as it was\n(--on-bad-annotation admit) or left out (deny); 78 when the file cannot be read."
)]
pub(super) struct Args {
    /// The manifest; - reads stdin
    #[arg(short, long, env = "FLATLINE_INJECT_FILE", value_name = "FILE")]
    file: String,
    #[command(flatten)]
    injection: Injection,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let settings = args.injection.settings()?;
    let name = if args.file == "-" {
        "stdin"
    } else {
        &args.file
    };
    let bytes = read(&args.file).map_err(|error| {
        Error::Config(format!(
            "file: cannot read `{}`: {error} (example: -f deployment.yaml)",
            args.file
        ))
    })?;
    let rewritten = rewrite(&bytes, &settings);
    super::print(&rewritten.text)?;
    for note in rewritten
        .notes
        .iter()
        .filter(|note| note.done != Done::LeftAlone)
    {
        eprintln!("{name}: {note}");
    }
    eprintln!("{name}: {}", totals(&rewritten.notes));
    Ok(
        if rewritten.notes.iter().any(|note| note.done.is_finding()) {
            findings()
        } else {
            ExitCode::SUCCESS
        },
    )
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn totals(notes: &[Note]) -> String {
    let count = |is: fn(&Done) -> bool| notes.iter().filter(|note| is(&note.done)).count();
    let counts = [
        (count(|d| matches!(d, Done::Injected(_))), "injected"),
        (count(|d| matches!(d, Done::Skipped(..))), "skipped"),
        (
            count(|d| matches!(d, Done::Refused(_) | Done::Denied(_))),
            "refused",
        ),
        (count(|d| matches!(d, Done::LeftAlone)), "without a pod"),
        (count(|d| matches!(d, Done::Broken(_))), "broken"),
    ];
    counts
        .map(|(count, what)| format!("{count} {what}"))
        .join(", ")
}
