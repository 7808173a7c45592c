//! What `flatline explain` says of every cause, against files that a person has read. With
//! `FLATLINE_UPDATE_GOLDEN=1` the files are written instead.

mod cases;
mod findings;

use flatline::diagnose::facts::Facts;
use flatline::diagnose::judge;
use flatline::explain;
use flatline::report::{
    Baseline, Finding, Incident, Observed, Report, RowIs, Series, State, Window,
};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain/golden")
}

fn report(series: Vec<Series>, findings: Vec<Finding>) -> Report {
    Report {
        schema: 1,
        at: "2026-01-02T03:04:05Z".to_owned(),
        observed: Observed {
            calls: 400,
            rows: 1600,
            skipped: [("not_ok".to_owned(), 2)].into(),
            rate: 1.0,
        },
        series,
        transitions: vec![],
        findings,
    }
}

/// The incident that these facts are about, judged by the rules.
fn incident(facts: &Facts) -> Series {
    let judgement = judge(facts);
    let flat = facts.kind.is_some();
    Series {
        model: facts.model.clone(),
        version: facts.version,
        signature: "serving_default".to_owned(),
        output: facts.output.clone(),
        state: if flat { State::Firing } else { State::Inactive },
        kind: facts.kind,
        since: flat.then(|| "2026-01-02T03:00:00Z".to_owned()),
        confidence: if flat { 0.9999 } else { 0.0 },
        evidence: vec![],
        incident: flat.then(|| Incident {
            onset_row: Some(1200),
            onset: Some("2026-01-02T02:59:30Z".to_owned()),
            confidence: "practically certain".to_owned(),
            ..Incident::default()
        }),
        baseline: Baseline::default(),
        last_row: None,
        idle: false,
        row_is: RowIs::Entry,
        window: Window {
            rows: facts.rows,
            distinct_inputs: facts.distinct_raw,
            distinct_effective_inputs: facts.distinct_effective,
            distinct_outputs: facts.distinct_outputs,
            top_output_share: facts.top_output_share,
        },
        causes: judgement.causes,
        ruled_out: judgement.ruled_out,
    }
}

fn compare(name: &str, report: &Report) {
    // As a file of verdicts would be read.
    let json = serde_json::to_string(report).expect("JSON");
    let read: Report = serde_json::from_str(&json).expect("the same shape");
    let text = explain::report(&read);
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("FLATLINE_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(folder()).expect("a folder");
        fs::write(&path, &text).expect("a golden file");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == golden,
        "{} is not what is said now; look at it, and run again with FLATLINE_UPDATE_GOLDEN=1:\n{text}",
        path.display()
    );
}

#[test]
fn every_cause_is_explained_as_its_golden_file_says() {
    for (rule, facts) in cases::incidents() {
        let series = incident(&facts);
        let first = series.causes.first().map(|cause| cause.rule.as_str());
        assert_eq!(first, Some(rule), "{:?}", series.causes);
        compare(rule, &report(vec![series], vec![]));
    }
}

#[test]
fn every_finding_is_explained_as_its_golden_file_says() {
    for (rule, found) in findings::findings() {
        let rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        assert_eq!(rules, [rule]);
        compare(&format!("finding-{rule}"), &report(vec![], found));
    }
}

#[test]
fn health_and_the_unknown_are_explained_too() {
    let healthy = Facts {
        kind: None,
        distinct_outputs: 3,
        ..cases::collapsed()
    };
    let series = incident(&healthy);
    compare(
        "D24",
        &report(
            vec![Series {
                causes: vec![],
                ruled_out: vec![],
                ..series
            }],
            vec![],
        ),
    );
    let unknown = incident(&cases::collapsed());
    assert!(unknown.causes.is_empty(), "{:?}", unknown.causes);
    compare("unknown", &report(vec![unknown], vec![]));
}

/// What stands first in each command of a line to paste.
const COMMANDS: [&str; 4] = ["flatline", "saved_model_cli", "ls", "python3"];

#[test]
fn what_confirms_a_cause_is_a_command() {
    let incidents = cases::incidents();
    let incidents = incidents.iter().map(|(_, facts)| judge(facts));
    let causes = incidents.flat_map(|judgement| judgement.causes);
    let findings = findings::findings()
        .into_iter()
        .flat_map(|(_, found)| found);
    let confirm = causes.map(|cause| (cause.rule, cause.confirm));
    for (rule, line) in confirm.chain(findings.map(|found| (found.rule, found.confirm))) {
        let first = line.split(' ').next().unwrap_or_default();
        assert!(COMMANDS.contains(&first), "{rule}: {line}");
        let shell = Command::new("bash").args(["-n", "-c", &line]).output();
        let shell = shell.expect("bash is there");
        assert!(shell.status.success(), "{rule}: {line}: {shell:?}");
    }
}

#[test]
fn a_graph_is_looked_through_for_the_names_that_are_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("3")).expect("a folder");
    // As parse_example has them: one constant of several strings, each with tag and length.
    let graph = b"\x08\x07B\x06heightB\x09it's hereB\x09age_of_itB\x05image";
    fs::write(folder.path().join("3/saved_model.pb"), graph).expect("a graph");
    let (_, mut facts) = cases::incidents()
        .into_iter()
        .find(|(rule, _)| *rule == "D4")
        .expect("a case");
    facts.example_features = ["height", "age", "it's here"].map(str::to_owned).to_vec();
    let line = &judge(&facts).causes[0].confirm;
    let shell = |folder: Option<&Path>| {
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).env_remove("MODEL_DIR");
        shell.envs(folder.map(|folder| ("MODEL_DIR", folder)));
        shell.output().expect("bash is there")
    };
    let said = String::from_utf8(shell(Some(folder.path())).stdout).expect("text");
    let lines: Vec<&str> = said.lines().collect();
    let (reads, not) = ("the model reads it", "the model does not read it");
    let expected = [("height", reads), ("age", not), ("it's here", reads)];
    assert_eq!(
        lines,
        expected.map(|(name, said)| format!("{name}: {said}"))
    );
    // Where the folder is not known, the shell says what is missing.
    let refused = shell(None);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        why.contains("MODEL_DIR: set it to the folder of the model"),
        "{why}"
    );
}

#[test]
fn there_is_a_file_for_every_rule() {
    if std::env::var_os("FLATLINE_UPDATE_GOLDEN").is_some() {
        return;
    }
    for number in 1..=25 {
        let names = [format!("D{number}.txt"), format!("finding-D{number}.txt")];
        assert!(
            names.iter().any(|name| folder().join(name).exists()),
            "D{number}"
        );
    }
}

/// Runs the command against an admin port that gives one answer; also gives what it was asked.
fn against(answer: &str, url: impl Fn(u16) -> String, arguments: &[&str]) -> (Output, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = url(listener.local_addr().expect("an address").port());
    let length = answer.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut asked = [0; 4096];
        let length = stream.read(&mut asked).expect("a request");
        stream.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    let mut flatline = Command::new(env!("CARGO_BIN_EXE_flatline"));
    let flatline = flatline.args(arguments).args(["--admin", &url]);
    let output = flatline.output().expect("runs");
    (output, server.join().expect("was asked"))
}

#[test]
fn the_admin_port_is_asked_by_address_or_url() {
    let verdicts = serde_json::to_string(&report(vec![], vec![])).expect("JSON");
    for form in [
        "127.0.0.1:PORT",
        "http://127.0.0.1:PORT",
        "http://127.0.0.1:PORT/",
    ] {
        let url = |port: u16| form.replace("PORT", &port.to_string());
        let (output, asked) = against(&verdicts, url, &["explain"]);
        assert_eq!(output.status.code(), Some(0), "{form}: {output:?}");
        assert!(asked.starts_with("GET /api/v1/verdicts "), "{asked}");
        let (output, asked) = against("1", url, &["reset", "--model", "m", "--version", "3"]);
        assert_eq!(output.status.code(), Some(0), "{form}: {output:?}");
        assert!(
            asked.starts_with("POST /api/v1/reset?model=m&version=3 "),
            "{asked}"
        );
    }
    let mut flatline = Command::new(env!("CARGO_BIN_EXE_flatline"));
    let output = flatline
        .args(["explain", "--admin", "https://127.0.0.1:9464"])
        .output();
    let output = output.expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("speaks plain http, not https"), "{said}");
}

#[test]
fn another_shape_is_not_read_as_this_one() {
    let mut later = report(vec![], vec![]);
    later.schema = 2;
    let later = serde_json::to_string(&later).expect("JSON");
    let url = |port: u16| format!("127.0.0.1:{port}");
    let (output, _) = against(&later, url, &["explain"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("schema: 2, and this version of Flatline reads schema 1"),
        "{said}"
    );
}
