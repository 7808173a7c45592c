//! One finding a rule, from the newest calls of a model and from what is known of it.

use super::cases::reach;
use super::cases::{disk, failed};
use flatline::diagnose::facts::{ConfigEntry, Disk, ModelTruth, Signature, TensorSpec};
use flatline::diagnose::findings::{Answered, Recent, Replies, of_model, of_series};
use flatline::report::Finding;

pub(super) fn findings() -> Vec<(&'static str, Vec<Finding>)> {
    let spec = |dims: &[i64]| TensorSpec {
        dtype: "DT_FLOAT".to_owned(),
        dims: Some(dims.to_vec()),
    };
    let signature = Signature {
        inputs: [("pixels".to_owned(), spec(&[-1, 64]))].into(),
        outputs: [("probabilities".to_owned(), spec(&[-1, 10]))].into(),
    };
    let recent = Recent {
        model: "digits".to_owned(),
        version: 3,
        signature: "serving_default".to_owned(),
        output: "probabilities".to_owned(),
        reach: reach(),
        calls: 40,
        before_asked: 40,
        sent: [("pixels".to_owned(), 40)].into(),
        signature_def: Some(signature),
        batches: 40,
        ..Recent::default()
    };
    let mut unread = recent.clone();
    for _ in 0..40 {
        let (input, client) = ("pixels".to_owned(), "grpc-node-js/1.10".to_owned());
        unread.note_unread(input, "DT_FLOAT", "double_val", (64, 0), client);
    }
    let calls = [
        ("D2", unread),
        (
            "D3",
            Recent {
                sent: Default::default(),
                ..recent.clone()
            },
        ),
        (
            "D5",
            Recent {
                batches_not_followed: 40,
                batch_sizes: 3,
                output_sizes: 1,
                ..recent.clone()
            },
        ),
        (
            "D6",
            Recent {
                mismatch: signature_mismatch(&recent),
                ..recent.clone()
            },
        ),
        (
            "D25",
            Recent {
                repeats: 20,
                repeats_changed: 19,
                ..recent
            },
        ),
    ];
    let calls = calls.map(|(rule, recent)| (rule, of_series(&recent)));
    let replies = Replies {
        steady_nanos: 1,
        last_nanos: i64::MAX,
        ..Replies::default()
    };
    let answered = Answered {
        versions: [(3, replies)].into(),
    };
    let judged = |truth: ModelTruth| of_model("digits", &reach(), &truth, &answered);
    let with_disk = |disk: Disk| {
        judged(ModelTruth {
            disk: Some(disk),
            ..ModelTruth::default()
        })
    };
    let versions = [
        (
            "D12",
            with_disk(Disk {
                incomplete: [(3, "variables.index is missing or empty".to_owned())].into(),
                ..disk(&[3])
            }),
        ),
        (
            "D13",
            judged(ModelTruth {
                status: Some(failed()),
                ..ModelTruth::default()
            }),
        ),
        (
            "D16",
            with_disk(Disk {
                skipped: vec!["v4".to_owned()],
                ..disk(&[3])
            }),
        ),
        (
            "D17",
            judged(ModelTruth {
                disk: Some(disk(&[3, 4])),
                config: Some(ConfigEntry {
                    pinned: vec![3],
                    ..ConfigEntry::default()
                }),
                ..ModelTruth::default()
            }),
        ),
        (
            "D18",
            with_disk(Disk {
                overwritten: vec![3],
                ..disk(&[3])
            }),
        ),
    ];
    calls.into_iter().chain(versions).collect()
}

fn signature_mismatch(recent: &Recent) -> Option<String> {
    let spec = recent
        .signature_def
        .as_ref()?
        .outputs
        .get("probabilities")?;
    let what = spec.mismatch("DT_FLOAT", &[4, 2048])?;
    Some(format!("output `probabilities`: {what}"))
}
