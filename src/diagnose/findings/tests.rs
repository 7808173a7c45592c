//! One case a finding, and what must not be one.

use super::*;
use crate::diagnose::Reach;
use crate::diagnose::facts::{ConfigEntry, Disk, TensorSpec, VersionStatus};

fn status(version: i64, state: &str, code: i32) -> VersionStatus {
    VersionStatus {
        version,
        state: state.to_owned(),
        code,
        message: "no such file".to_owned(),
    }
}

fn rules(truth: &ModelTruth, answered: &Answered) -> Vec<String> {
    let found = of_model("m", &Reach::default(), truth, answered);
    for finding in &found {
        assert!(!finding.evidence.is_empty() && !finding.confirm.is_empty());
    }
    found.into_iter().map(|finding| finding.rule).collect()
}

fn answering(version: i64, asked: Asked) -> Answered {
    let replies = Replies {
        steady_nanos: 1,
        last_nanos: i64::MAX,
        asked,
    };
    Answered {
        versions: [(version, replies)].into(),
    }
}

#[test]
fn nothing_known_is_nothing_found() {
    assert!(rules(&ModelTruth::default(), &Answered::default()).is_empty());
    let healthy = ModelTruth {
        status: Some(vec![status(3, "AVAILABLE", 0), status(2, "END", 0)]),
        disk: Some(Disk {
            versions: vec![2, 3],
            ..Disk::default()
        }),
        ..ModelTruth::default()
    };
    assert!(rules(&healthy, &answering(3, Asked::default())).is_empty());
}

#[test]
fn a_version_that_failed_to_load() {
    let truth = ModelTruth {
        status: Some(vec![status(4, "END", 5), status(3, "AVAILABLE", 0)]),
        ..ModelTruth::default()
    };
    assert_eq!(rules(&truth, &answering(3, Asked::default())), ["D13"]);
    let older = ModelTruth {
        status: Some(vec![status(3, "AVAILABLE", 0), status(2, "END", 5)]),
        ..ModelTruth::default()
    };
    assert!(rules(&older, &answering(3, Asked::default())).is_empty());
    // It was taken back while it loaded.
    let cancelled = ModelTruth {
        status: Some(vec![status(4, "END", 1), status(3, "AVAILABLE", 0)]),
        ..ModelTruth::default()
    };
    assert!(rules(&cancelled, &answering(3, Asked::default())).is_empty());
    // Its folder was taken away.
    let gone = |versions: &[i64]| ModelTruth {
        disk: Some(Disk {
            versions: versions.to_vec(),
            ..Disk::default()
        }),
        ..truth.clone()
    };
    assert!(rules(&gone(&[3]), &answering(3, Asked::default())).is_empty());
    assert_eq!(
        rules(&gone(&[3, 4]), &answering(3, Asked::default())),
        ["D13"]
    );
}

#[test]
fn what_the_disk_says() {
    let disk = Disk {
        versions: vec![3],
        skipped: vec!["v4".to_owned()],
        overwritten: vec![3],
        incomplete: [(3, "variables.index is missing".to_owned())].into(),
        ..Disk::default()
    };
    let truth = ModelTruth {
        disk: Some(disk),
        ..ModelTruth::default()
    };
    assert_eq!(
        rules(&truth, &answering(3, Asked::default())),
        ["D12", "D16", "D18"]
    );
}

#[test]
fn a_pinned_a_missed_and_a_young_version() {
    let mut truth = ModelTruth {
        status: Some(vec![status(3, "AVAILABLE", 0)]),
        disk: Some(Disk {
            versions: vec![3, 4],
            ..Disk::default()
        }),
        ..ModelTruth::default()
    };
    assert_eq!(rules(&truth, &answering(3, Asked::default())), ["D17"]);
    truth.disk.as_mut().unwrap().young = vec![4];
    assert!(rules(&truth, &answering(3, Asked::default())).is_empty());
    truth.disk.as_mut().unwrap().young.clear();
    truth.config = Some(ConfigEntry {
        pinned: vec![3],
        ..ConfigEntry::default()
    });
    let found = of_model(
        "m",
        &Reach::default(),
        &truth,
        &answering(3, Asked::default()),
    );
    assert!(found[0].evidence[0].contains("pins the versions [3]"));
}

#[test]
fn clients_that_ask_for_an_older_version_and_replies_of_none() {
    let truth = ModelTruth {
        status: Some(vec![status(4, "AVAILABLE", 0), status(3, "AVAILABLE", 0)]),
        status_nanos: 5,
        ..ModelTruth::default()
    };
    let asked = Asked {
        versions: [(3, 40)].into(),
        ..Asked::default()
    };
    assert_eq!(rules(&truth, &answering(3, asked.clone())), ["D17"]);
    let chosen = of_model("m", &Reach::default(), &truth, &answering(3, asked.clone()));
    assert!(!chosen[0].certain, "whoever asks for it has chosen");
    let mixed = Asked { latest: 1, ..asked };
    assert!(rules(&truth, &answering(3, mixed)).is_empty());
    let gone = ModelTruth {
        status: Some(vec![status(4, "AVAILABLE", 0), status(3, "END", 0)]),
        status_nanos: 5,
        ..ModelTruth::default()
    };
    let found = of_model(
        "m",
        &Reach::default(),
        &gone,
        &answering(3, Asked::default()),
    );
    assert!(
        found[0].evidence[0].contains("something between answers"),
        "{found:?}"
    );
}

fn recent() -> Recent {
    let spec = |dims: &[i64]| TensorSpec {
        dtype: "DT_FLOAT".to_owned(),
        dims: Some(dims.to_vec()),
    };
    Recent {
        model: "m".to_owned(),
        version: 3,
        output: "y".to_owned(),
        calls: 40,
        before_asked: 40,
        sent: [("x".to_owned(), 40)].into(),
        signature_def: Some(Signature {
            inputs: [("x".to_owned(), spec(&[-1, 8]))].into(),
            outputs: [("y".to_owned(), spec(&[-1, 3]))].into(),
        }),
        batches: 40,
        ..Recent::default()
    }
}

fn found(recent: &Recent) -> Vec<String> {
    of_series(recent).into_iter().map(|f| f.rule).collect()
}

#[test]
fn what_the_calls_say() {
    assert!(found(&recent()).is_empty());
    let mut wrong = recent();
    for calls in 0..4 {
        assert!(found(&wrong).is_empty(), "{calls} odd calls among many");
        let (input, client) = ("x".to_owned(), "node".to_owned());
        wrong.note_unread(input, "DT_FLOAT", "double_val", (8, 0), client);
    }
    wrong.sent.clear();
    wrong.batches_not_followed = 40;
    (wrong.batch_sizes, wrong.output_sizes) = (3, 1);
    wrong.mismatch = Some("output `y`: it is DT_INT64".to_owned());
    (wrong.repeats, wrong.repeats_changed) = (20, 19);
    assert_eq!(found(&wrong), ["D2", "D3", "D5", "D6", "D25"]);
    let table = Recent {
        signature_def: None,
        batches_not_followed: 40,
        distinct_inputs: 80,
        distinct_outputs: 1,
        is_telling: true,
        ..recent()
    };
    assert!(found(&table).is_empty(), "another output follows");
    let constant = Recent {
        nothing_followed: 40,
        ..table
    };
    assert_eq!(found(&constant), ["D5"]);
    assert!(!of_series(&constant)[0].certain, "one answer a request");
    let promised = Recent {
        signature_def: recent().signature_def,
        batch_sizes: 3,
        output_sizes: 1,
        ..constant.clone()
    };
    assert!(of_series(&promised)[0].certain);
    let labels = Recent {
        is_meant: true,
        ..promised.clone()
    };
    assert!(found(&labels).is_empty(), "the same for all rows");
    let varied = Recent {
        distinct_outputs: 80,
        ..promised
    };
    let evidence = of_series(&varied)[0].evidence.join("; ");
    assert!(evidence.contains("takes 80 values"), "{evidence}");
    let quiet = Recent {
        is_telling: false,
        ..constant.clone()
    };
    assert!(found(&quiet).is_empty(), "no alarm, no box");
    let few = Recent {
        distinct_inputs: 63,
        ..constant
    };
    assert!(found(&few).is_empty());
    // Boxes or tokens are as many as there are, and one size of batch proves no rule.
    for (batch_sizes, output_sizes, rules) in [(3, 9, 0), (1, 1, 0), (3, 1, 1)] {
        let free = Recent {
            batches_not_followed: 40,
            batch_sizes,
            output_sizes,
            distinct_inputs: 40,
            distinct_outputs: 40,
            ..recent()
        };
        let findings = of_series(&free);
        assert_eq!(findings.len(), rules, "{batch_sizes} {output_sizes}");
        assert!(findings.iter().all(|finding| !finding.certain));
    }
    let steady = Recent {
        repeats: 20,
        repeats_changed: 2,
        ..recent()
    };
    assert!(found(&steady).is_empty());
    let ignoring = Recent {
        repeats_changed: 20,
        ignores: true,
        ..steady
    };
    assert!(found(&ignoring).is_empty(), "what is left out may differ");
}

#[test]
fn several_outputs_say_it_once() {
    let all: Vec<Finding> = (0..3)
        .flat_map(|i| {
            of_series(&Recent {
                mismatch: Some(format!("output {}", i % 2)),
                ..recent()
            })
        })
        .collect();
    let merged = merge(all);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].evidence, ["output 0", "output 1"]);
}
