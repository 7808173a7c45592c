//! Decodes tensors from standard input, for the comparison with TensorFlow's own decoder.
//!
//! In: a little-endian `u32` length and a `TensorProto`, again and again. Out, for each: a byte
//! (0 decoded, 1 refused, 2 a type without values); when decoded: the type as `i32`, the number
//! of dimensions as `u32`, each as `u64`, the number of values given as `u64`, and their bytes,
//! strings each with a `u32` length before them. What is given is never more than was sent: the
//! last value stands for all that follow.

use flatline::codec::tensor::{Effective, Elements, decode};
use flatline::skip::Skip;
use std::io::{self, BufReader, BufWriter, Read, Write};

fn main() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut message)?;
        match decode(&message) {
            Ok(effective) => write(&mut output, &effective)?,
            Err(Skip::DataType) => output.write_all(&[2])?,
            Err(_) => output.write_all(&[1])?,
        }
    }
    output.flush()
}

fn write(output: &mut impl Write, effective: &Effective<'_>) -> io::Result<()> {
    output.write_all(&[0])?;
    output.write_all(&(effective.dtype.number as i32).to_le_bytes())?;
    output.write_all(&(effective.dims.len() as u32).to_le_bytes())?;
    for dim in &effective.dims {
        output.write_all(&dim.to_le_bytes())?;
    }
    output.write_all(&effective.given().to_le_bytes())?;
    match &effective.elements {
        Elements::Fixed(bytes) => output.write_all(bytes),
        Elements::Strings(strings) => strings.iter().try_for_each(|string| {
            output.write_all(&(string.len() as u32).to_le_bytes())?;
            output.write_all(string)
        }),
    }
}
