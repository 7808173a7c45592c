//! A request as a client sent it, out of a capture file.

use crate::error::Error;
use crate::proto::tensorflow::serving::PredictRequest;
use crate::replay::{Records, exchange};
use prost::Message;
use std::fs::File;
use std::path::Path;

/// Records looked at for one of the model.
const MOST: u64 = 100_000;

/// The first request for `model` in a file written by `--capture` or by request logging.
///
/// # Errors
/// That the file cannot be read, or holds no such request.
pub fn recorded(path: &Path, model: &str) -> Result<PredictRequest, Error> {
    let wrong = |why: String| Error::Config(format!("recorded: `{}`: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    for (number, record) in (0..MOST).zip(Records::new(file)) {
        if let Ok(record) = record
            && let Some(found) = exchange(&record, number)
            && let Ok(request) = PredictRequest::decode(found.request)
            && request
                .model_spec
                .as_ref()
                .is_some_and(|spec| spec.name == model)
        {
            return Ok(request);
        }
    }
    Err(wrong(format!("no request for the model `{model}` in it")))
}
