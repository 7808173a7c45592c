use super::*;

fn input(low: f32, high: f32) -> InputFact {
    InputFact {
        name: "x".to_owned(),
        dtype: "DT_FLOAT",
        dims: vec![1, 8],
        given: 8,
        declared: 8,
        foreign: None,
        control: None,
        range: Some(Range {
            low,
            high,
            size: (high + low.abs()) / 2.0,
        }),
        non_finite: false,
        features: None,
        columns: Box::default(),
        is_text: false,
        largest: 0.0,
    }
}

fn fed(calls: u64) -> Seen {
    let mut seen = Seen::default();
    for call in 0..calls {
        let wobble = (call % 7) as f32 / 50.0;
        seen.observe(&[input(wobble, 1.0 - wobble)], call, 1, true);
    }
    seen
}

fn shifted(seen: &Seen, now: InputFact) -> Option<String> {
    let calls = vec![vec![now]; 20];
    seen.shift(calls.iter().map(Vec::as_slice))
}

#[test]
fn another_scale_is_a_shift_and_a_wobble_is_none() {
    let seen = fed(200);
    assert!(seen.knows());
    assert_eq!(shifted(&seen, input(0.1, 0.9)), None);
    for (low, high) in [(0.0, 255.0), (-1.0, 1.0), (0.0, 0.004)] {
        let words = shifted(&seen, input(low, high));
        assert!(
            words.is_some_and(|w| w.contains("`x` lay between 0.0")),
            "{low} {high}"
        );
    }
    assert_eq!(
        shifted(&fed(40), input(0.0, 255.0)),
        None,
        "too little is known"
    );
}

#[test]
fn a_number_that_counts_on_is_no_shift() {
    let mut seen = Seen::default();
    for call in 0..300 {
        let number = InputFact {
            name: "number".to_owned(),
            ..input(call as f32, call as f32)
        };
        seen.observe(&[input(0.1, 0.9), number], call, 1, true);
    }
    let later = InputFact {
        name: "number".to_owned(),
        ..input(400.0, 400.0)
    };
    assert!(seen.knows());
    assert_eq!(shifted(&seen, later), None);
    assert!(shifted(&seen, input(0.0, 255.0)).is_some());
}

#[test]
fn the_newest_calls_are_not_taken_for_health() {
    let mut seen = fed(200);
    for call in 200..240 {
        seen.observe(&[input(0.0, 255.0)], call, 1, true);
    }
    assert!(shifted(&seen, input(0.0, 255.0)).is_some());
}

#[test]
fn ways_of_calling_are_told_apart() {
    let mut seen = fed(100);
    let empty = InputFact {
        given: 0,
        foreign: Some("double_val"),
        ..input(0.0, 0.0)
    };
    seen.observe(&[empty], 100, 4, true);
    let before: Vec<u64> = seen.before(Some(100)).map(|(_, rows)| rows).collect();
    assert_eq!(before, [100]);
    let all: Vec<_> = seen
        .before(None)
        .map(|(s, rows)| (s.unread.len(), rows))
        .collect();
    assert_eq!(all, [(0, 100), (1, 4)]);
}
