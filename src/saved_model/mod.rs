//! A SavedModel on disk: what its graph says of its signatures, and what its index says of the
//! files beside it. Weights are never read.

mod flow;
mod index;
mod variables;

pub use flow::Flow;
pub use index::{Index, index};
pub use variables::restored_variable;
#[cfg(test)]
pub(crate) use variables::tests::model_of;

use crate::codec::wire::Fields;
use crate::proto::tensorflow::{DataType, MetaGraphDef, SavedModel, TensorInfo, tensor_info};
use prost::Message;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// The most bytes of a `saved_model.pb` that are read. Weights lie beside it, so that it is
/// small; only a frozen graph, with its weights as constants, is larger.
pub const LARGEST: u64 = 256 << 20;

/// Why the graph is not known.
#[derive(Debug, Error)]
pub enum Unread {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is larger than [`LARGEST`].
    #[error("has {0} bytes, and a graph is read up to {LARGEST}")]
    TooLarge(u64),
    /// It is no protobuf message, from that byte on.
    #[error("is no SavedModel: {reason} at byte {byte} of {of}")]
    Malformed {
        /// Where.
        byte: usize,
        /// The file's length.
        of: usize,
        /// Why.
        reason: String,
    },
}

/// Reads `saved_model.pb`.
///
/// # Errors
/// Why it could not be.
pub fn read(path: &Path) -> Result<SavedModel, Unread> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        return Err(Unread::TooLarge(size));
    }
    file.take(LARGEST).read_to_end(&mut bytes)?;
    SavedModel::decode(bytes.as_slice()).map_err(|error| {
        let left = Fields::new(&bytes).find_map(Result::err);
        Unread::Malformed {
            byte: left.map_or(0, |malformed| bytes.len() - malformed.left),
            of: bytes.len(),
            reason: error.to_string(),
        }
    })
}

/// Opens a file that is one: opening a pipe waits for a writer that never comes.
fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    File::open(path)
}

/// The graph that TensorFlow Serving loads: the one whose only tag is `serve`. Exports for other
/// devices stand beside it, as `serve,tpu`.
///
/// Source: `FindMetaGraphDef` in `tensorflow/cc/saved_model/reader.cc`, which compares sets.
#[must_use]
pub fn serving(model: &SavedModel) -> Option<&MetaGraphDef> {
    model.meta_graphs.iter().find(|graph| {
        let info = graph.meta_info_def.as_ref();
        info.is_some_and(|info| !info.tags.is_empty() && info.tags.iter().all(|tag| tag == "serve"))
    })
}

/// The tensor behind an input or output of a signature; `None` for one made of several.
#[must_use]
pub fn tensor_name(info: &TensorInfo) -> Option<&str> {
    match info.encoding.as_ref()? {
        tensor_info::Encoding::Name(name) => Some(name),
    }
}

/// Its type; that of the values where it is a reference to a variable, as in graphs of TensorFlow 1.
#[must_use]
pub fn dtype(info: &TensorInfo) -> &'static str {
    // From types.proto: the number of `DT_FLOAT_REF` is that of `DT_FLOAT` and 100.
    let number = info.dtype - if info.dtype > 100 { 100 } else { 0 };
    DataType::try_from(number).map_or("DT_INVALID", |dtype| dtype.as_str_name())
}

/// As `DT_FLOAT [?, 64]`.
#[must_use]
pub fn describe(info: &TensorInfo) -> String {
    let dtype = dtype(info);
    let shape = match &info.tensor_shape {
        None => "of unknown shape".to_owned(),
        Some(shape) if shape.unknown_rank => "of unknown rank".to_owned(),
        Some(shape) => {
            let size = |size: i64| {
                if size < 0 {
                    "?".to_owned()
                } else {
                    size.to_string()
                }
            };
            let dims: Vec<_> = shape.dim.iter().map(|dim| size(dim.size)).collect();
            format!("[{}]", dims.join(", "))
        }
    };
    format!("{dtype} {shape}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tensorflow::meta_graph_def::MetaInfoDef;

    #[test]
    fn the_graph_of_another_device_is_not_the_one_that_is_served() {
        let of = |tags: &[&str]| MetaGraphDef {
            meta_info_def: Some(MetaInfoDef {
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
                ..MetaInfoDef::default()
            }),
            ..MetaGraphDef::default()
        };
        let mut model = SavedModel {
            meta_graphs: vec![of(&["serve", "tpu"]), of(&[]), of(&["train"])],
            ..SavedModel::default()
        };
        assert_eq!(serving(&model), None);
        model.meta_graphs.push(of(&["serve"]));
        assert_eq!(serving(&model), model.meta_graphs.last());
    }
}
