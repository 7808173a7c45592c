//! What is fuzzed: one function a parser, each from bytes to nothing, or a panic that says which
//! promise was broken. `tests/fuzz/run` drives them by libFuzzer; `tests/fuzz/mod.rs` replays the
//! corpus as ordinary tests.

mod calls;
mod passing;
mod texts;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folder in the corpus.
pub const ALL: &[(&str, Target)] = &[
    ("frame", calls::frame),
    ("inflate", calls::inflate),
    ("predict", calls::predict),
    ("tensor", calls::tensor),
    ("exchange", calls::exchange),
    ("analyze", calls::analyze),
    ("state", calls::state),
    ("records", passing::records),
    ("sieve", passing::sieve),
    ("tap", passing::tap),
    ("config", texts::config),
    ("address", texts::address),
    ("models_config", texts::models_config),
    ("verdicts", texts::verdicts),
    ("inject", texts::inject),
    ("manifest", texts::manifest),
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, and when a promise is broken.
pub fn run(name: &str, data: &[u8]) {
    let target = ALL.iter().find(|(other, _)| *other == name);
    target.unwrap_or_else(|| panic!("no target `{name}`")).1(data);
}

/// The first byte as a knob, and the rest.
fn knob(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(knob, rest)| (*knob, rest))
}

/// Two parts; the first two bytes say where the cut is.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((cut, rest)) = data.split_first_chunk::<2>() else {
        return (data, &[]);
    };
    rest.split_at(usize::from(u16::from_le_bytes(*cut)).min(rest.len()))
}

/// Cuts `data` into pieces of changing sizes, none empty, that `seed` decides on.
fn pieces(data: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut rest, mut state, mut all) = (data, u32::from(seed), Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = 1_usize << (state >> 29);
        let (piece, behind) = rest.split_at((state >> 8) as usize % most.min(rest.len()) + 1);
        all.push(piece);
        rest = behind;
    }
    all
}
