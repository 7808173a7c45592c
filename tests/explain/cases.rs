//! One set of facts a cause, such that the rules name it first.

use flatline::diagnose::Reach;
use flatline::diagnose::facts::{
    ConfigEntry, Disk, EncodedAlike, Encoding, Facts, Latency, LeftOut, Part, Previous, Split,
    VersionStatus,
};
use flatline::report::Kind;

pub(super) fn reach() -> Reach {
    Reach {
        upstream: "127.0.0.1:8510".to_owned(),
        options: vec![],
    }
}

const FLAT: Split = Split {
    rows: 100,
    distinct_inputs: 100,
    distinct_outputs: 1,
};
const VARIED: Split = Split {
    rows: 100,
    distinct_inputs: 100,
    distinct_outputs: 100,
};

/// A model that went flat in the middle of a version; nothing says why.
pub(crate) fn collapsed() -> Facts {
    Facts {
        model: "digits".to_owned(),
        version: 3,
        signature: "serving_default".to_owned(),
        output: "probabilities".to_owned(),
        reach: reach(),
        kind: Some(Kind::Constant),
        calls: 100,
        rows: 200,
        distinct_raw: 200,
        distinct_effective: 200,
        distinct_outputs: 1,
        top_output_share: 1.0,
        inputs: [(
            "pixels".to_owned(),
            Encoding {
                dtype: "DT_FLOAT".to_owned(),
                calls: 100,
                ..Encoding::default()
            },
        )]
        .into(),
        clients: [("grpc-python/1.66".to_owned(), Split::default())].into(),
        ..Facts::default()
    }
}

fn rollout() -> Facts {
    Facts {
        from_first_reply: true,
        ..collapsed()
    }
}

fn status(version: i64, state: &str, code: i32, message: &str) -> VersionStatus {
    VersionStatus {
        version,
        state: state.to_owned(),
        code,
        message: message.to_owned(),
    }
}

pub(super) fn failed() -> Vec<VersionStatus> {
    let why = "Could not find meta graph def matching supplied tags: { serve }";
    vec![status(4, "END", 5, why), status(3, "AVAILABLE", 0, "")]
}

pub(super) fn disk(versions: &[i64]) -> Disk {
    Disk {
        base: "/models/digits".to_owned(),
        versions: versions.to_vec(),
        ..Disk::default()
    }
}

fn on_disk(disk: Disk) -> Facts {
    let mut facts = collapsed();
    facts.truth.disk = Some(disk);
    facts
}

pub(crate) fn incidents() -> Vec<(&'static str, Facts)> {
    let mut cases = on_the_wire();
    cases.extend(about_versions());
    cases.extend(by_shape_and_onset());
    cases
}

fn on_the_wire() -> Vec<(&'static str, Facts)> {
    let unread = EncodedAlike {
        calls: 100,
        rows: 200,
        distinct_raw: 200,
        distinct_effective: 1,
        distinct_outputs: 1,
        rows_before: 0,
        late: false,
    };
    let mut wrong_field = Facts {
        kind: Some(Kind::InputCollapse),
        distinct_effective: 1,
        unread,
        ..collapsed()
    };
    if let Some(pixels) = wrong_field.inputs.get_mut("pixels") {
        pixels.calls_unread = 100;
        pixels.example = (64, 0);
        pixels.foreign_field = Some("double_val".to_owned());
    }
    let left_out = LeftOut {
        calls: 50,
        without: FLAT,
        with: VARIED,
        rows_before: 0,
        sent_before: 0,
        sent_here: 0,
        late: false,
        flat_with: 0,
        moved: false,
    };
    let part = |now| Part {
        now,
        rows_before: 0,
        moved: false,
    };
    vec![
        (
            "D1",
            Facts {
                kind: Some(Kind::InputCollapse),
                distinct_raw: 1,
                distinct_effective: 1,
                ..collapsed()
            },
        ),
        ("D2", wrong_field),
        (
            "D3",
            Facts {
                left_out: [("temperature".to_owned(), left_out)].into(),
                ..collapsed()
            },
        ),
        (
            "D4",
            Facts {
                example_keys_changed: Some("`age` became `Age`".to_owned()),
                example_features: vec!["Age".to_owned(), "age".to_owned()],
                ..collapsed()
            },
        ),
        (
            "D7",
            Facts {
                kind: Some(Kind::Partial),
                distinct_outputs: 101,
                controls: [(
                    "keep_prob".to_owned(),
                    [("0".to_owned(), part(FLAT)), ("1".to_owned(), part(VARIED))].into(),
                )]
                .into(),
                ..collapsed()
            },
        ),
        (
            "D21",
            Facts {
                kind: Some(Kind::NonFinite),
                non_finite_share: 1.0,
                ..collapsed()
            },
        ),
        (
            "D23",
            Facts {
                kind: Some(Kind::RowsEqual),
                replies_of_many: 40,
                replies_rows_equal: 40,
                rows_differed_before: true,
                distinct_replies: 40,
                distinct_outputs: 60,
                ..collapsed()
            },
        ),
    ]
}

fn about_versions() -> Vec<(&'static str, Facts)> {
    let from_first_reply = |facts: Facts| Facts {
        from_first_reply: true,
        ..facts
    };
    let mut kept = from_first_reply(collapsed());
    kept.truth.status = Some(failed());
    let mut pinned = from_first_reply(on_disk(disk(&[3, 4])));
    pinned.truth.config = Some(ConfigEntry {
        base_path: "/models/digits".to_owned(),
        pinned: vec![3],
        ..ConfigEntry::default()
    });
    let incomplete = "variables/variables.data-00000-of-00001 is empty";
    vec![
        (
            "D12",
            on_disk(Disk {
                incomplete: [(3, incomplete.to_owned())].into(),
                ..disk(&[3])
            }),
        ),
        ("D13", kept),
        (
            "D16",
            from_first_reply(on_disk(Disk {
                skipped: vec!["v4".to_owned()],
                ..disk(&[3])
            })),
        ),
        ("D17", pinned),
        (
            "D18",
            on_disk(Disk {
                overwritten: vec![3],
                ..disk(&[3])
            }),
        ),
    ]
}

fn by_shape_and_onset() -> Vec<(&'static str, Facts)> {
    let latency = Latency {
        repeats_ms: 0.3,
        others_ms: 4.0,
        repeats: 50,
        others: 50,
    };
    let mut other_load = collapsed();
    other_load.truth.other_load_at_onset = Some("resnet".to_owned());
    other_load.zero_share = 1.0;
    vec![
        (
            "D19",
            Facts {
                kind: Some(Kind::CacheLike),
                distinct_outputs: 20,
                latency: Some(latency),
                ..collapsed()
            },
        ),
        (
            "D5",
            Facts {
                batches: 40,
                batches_not_followed: 40,
                ..rollout()
            },
        ),
        (
            "D6",
            Facts {
                kind: Some(Kind::Echo),
                echo_of: Some("label".to_owned()),
                echo_varies: true,
                distinct_outputs: 200,
                ..collapsed()
            },
        ),
        (
            "D8",
            Facts {
                kind: Some(Kind::Partial),
                distinct_outputs: 101,
                single: FLAT,
                batched: VARIED,
                ..collapsed()
            },
        ),
        (
            "D9",
            Facts {
                input_shift: Some("`pixels` lay between 0.000 and 1.000 (typical size 0.400), now between 0.000 and 255.000 (typical size 101.000)".to_owned()),
                relative_entropy: Some(0.001),
                inputs_known: true,
                ..collapsed()
            },
        ),
        ("D22", other_load),
        (
            "D10",
            Facts {
                kind: Some(Kind::NearConstant),
                relative_entropy: Some(0.999),
                output_spread: Some(1e-4),
                distinct_outputs: 200,
                ..rollout()
            },
        ),
        (
            "D11",
            Facts {
                variables: Some((1_200, 4_800_000)),
                ..rollout()
            },
        ),
        (
            "D14",
            Facts {
                distinct_outputs: 150,
                kind: Some(Kind::Partial),
                signature_changed: Some("output `probabilities` was DT_FLOAT [?, 10], now [?, 2]".to_owned()),
                ..rollout()
            },
        ),
        (
            "D15",
            Facts {
                only_text_varies: true,
                ..rollout()
            },
        ),
        (
            "D20",
            Facts {
                relative_entropy: Some(0.6),
                output_spread: Some(0.0),
                previous: Some(Previous {
                    version: 2,
                    distinct_inputs: 412,
                    distinct_outputs: 412,
                }),
                ..rollout()
            },
        ),
    ]
}
