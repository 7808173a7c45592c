"""Effective tensors are those of TensorFlow's own decoder.

`tf.io.parse_tensor` runs ParseTensorOp, which calls Tensor::FromProto by way of the device's
MakeTensorFromProto; a Predict call gets its inputs by saved_model::GetInputValues, which calls
Tensor::FromProto too. So what is compared here is what the model gets to see.
"""
import collections
import math
import os
import pathlib
import random
import struct
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensors import STRING, Generator, delimited, tag, varint

ROOT = pathlib.Path(__file__).parent.parent.parent
DECODER = os.environ.get("FLATLINE_EFFECTIVE", str(ROOT / "target/debug/examples/effective"))
COUNT = int(os.environ.get("FLATLINE_TENSORS", "60000"))
# A damaged shape may ask for more elements than can be compared; TensorFlow would take the memory.
LARGEST = 1 << 20


def ours(messages):
    """What Flatline makes of each: None for refused, or type, shape, values given, and their bytes."""
    data = b"".join(struct.pack("<I", len(message)) + message for message in messages)
    out = subprocess.run([DECODER], input=data, stdout=subprocess.PIPE, check=True).stdout
    at = 0

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, out, at)
        at += struct.calcsize("<" + form)
        return value

    for _ in messages:
        (status,) = take("B")
        if status:
            yield None if status == 1 else "no values"
            continue
        dtype, rank = take("iI")
        dims = take(f"{rank}Q")
        (given,) = take("Q")
        if dtype == STRING:
            values = []
            for _ in range(given):
                (length,) = take("I")
                values.append(out[at:at + length])
                at += length
        else:
            size = tf.dtypes.as_dtype(dtype).size
            values = [out[at + i * size:at + (i + 1) * size] for i in range(given)]
            at += given * size
        yield dtype, dims, values
    assert at == len(out)


def filled(decoded):
    """All elements of a small tensor: the last value repeated, or zeros."""
    dtype, dims, values = decoded
    count = math.prod(dims)
    assert len(values) <= count, "a value that is beyond the shape is held"
    fill = values[-1] if values else b"" if dtype == STRING else bytes(tf.dtypes.as_dtype(dtype).size)
    return values + [fill] * (count - len(values))


def theirs(message, dtype):
    """What TensorFlow makes of it."""
    try:
        tensor = tf.io.parse_tensor(message, dtype)
    except tf.errors.InvalidArgumentError:
        return None
    if 0 in tensor.shape:
        return tuple(tensor.shape), []
    # NumPy takes fewer dimensions than TensorFlow.
    array = tf.reshape(tensor, [-1]).numpy()
    if dtype == tf.string:
        return tuple(tensor.shape), [bytes(s) for s in np.ravel(array)]
    data, size = np.asarray(array).tobytes(), dtype.size
    return tuple(tensor.shape), [data[i:i + size] for i in range(0, len(data), size)]


def declared(message, dtype):
    """The type to ask TensorFlow for: the one in the message, damaged or not."""
    try:
        dtype = tensor_pb2.TensorProto.FromString(message).dtype
    except Exception:
        pass
    try:
        return tf.dtypes.as_dtype(dtype)
    except (TypeError, KeyError):
        return tf.float32


def test_every_random_tensor_is_read_as_tensorflow_reads_it():
    generator = Generator(random.Random(20))
    cases = [generator.tensor() for _ in range(COUNT)]
    differences, seen = [], collections.Counter()
    for (message, dtype), decoded in zip(cases, ours([message for message, _ in cases])):
        expected = declared(message, dtype)
        # Resources and variants have no values to compare; asking for them is another matter.
        if decoded == "no values":
            seen["no values"] += 1
            continue
        if decoded and math.prod(decoded[1]) > LARGEST:
            seen["larger than this machine"] += 1
            continue
        reference = theirs(message, expected)
        result = None if decoded is None else (decoded[1], filled(decoded))
        seen["refused" if reference is None else expected.name] += 1
        if result != reference:
            differences.append((message.hex(), expected.name, result, reference))
    print(dict(seen))
    assert not differences, f"{len(differences)} of {COUNT} differ, as {differences[:3]}"
    assert seen["refused"] < COUNT / 2
    assert min(seen[dtype] for dtype in ("float32", "float16", "string", "complex64", "qint8")) > COUNT / 100


@pytest.mark.parametrize("value", [7.0, None])
def test_a_shape_of_2_to_the_40_elements_is_held_as_what_was_sent(value):
    dims = b"".join(delimited(2, tag(1, 0) + varint(size)) for size in (2**20, 2**20))
    message = tag(1, 0) + varint(1) + delimited(2, dims)
    if value is not None:
        message += delimited(5, struct.pack("<f", value))
    (decoded,) = ours([message])
    assert decoded == (1, (2**20, 2**20), [] if value is None else [struct.pack("<f", value)])
