//! Outputs that differ again where inputs come again, of which no test takes evidence.

/// How many rows one behind another were told apart.
#[derive(Debug, Default)]
pub(super) struct Apart {
    last: Option<(u64, u64)>,
    rows: u64,
}

impl Apart {
    /// Takes a row: `input` and `output` are fingerprints, `output` is `None` if it is not finite.
    /// Rows with the input of the row before say nothing.
    pub(super) fn observe(&mut self, input: u64, output: Option<u64>) {
        let before = self.last;
        self.last = output.map(|output| (input, output));
        match (before, output) {
            (Some((same, _)), Some(_)) if same == input => {}
            (Some((_, other)), Some(output)) if other != output => self.rows += 1,
            _ => self.rows = 0,
        }
    }

    /// Rows without one that was not told apart.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}
