//! Each piece of work on its own: time, bytes or rows a second, and allocations a time.
//! `cargo bench --manifest-path tests/bench/Cargo.toml --target-dir target`

#[path = "../src/pieces.rs"]
mod pieces;
#[path = "../src/template.rs"]
mod template;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = pieces::NAMES)]
fn piece(bencher: Bencher<'_, '_>, name: &str) {
    let pieces::Piece {
        bytes,
        rows,
        mut work,
    } = pieces::piece(name);
    match (bytes, rows) {
        (Some(bytes), _) => bencher
            .counter(BytesCount::new(bytes))
            .bench_local(&mut work),
        (None, rows) => bencher
            .counter(ItemsCount::new(rows.unwrap_or(1)))
            .bench_local(&mut work),
    }
}
