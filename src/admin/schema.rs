//! The JSON Schema of the verdicts.

/// Draft 2020-12; served at `/api/v1/verdicts/schema`.
pub(super) const VERDICTS: &str = include_str!("verdicts.schema.json");
