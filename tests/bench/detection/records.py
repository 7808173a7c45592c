"""Streams as capture files: TFRecords of `flatline.v1.Exchange`, written without any generated
code, so that they are read by nothing that shares a mistake with what wrote them."""
import struct

import google_crc32c
import numpy as np

METHOD = b"/tensorflow.serving.PredictionService/Predict"
DTYPES = {"f4": 1, "f8": 2, "i4": 3, "i8": 9, "b1": 10}
STRING = 7


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, content):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(number, value):
    return varint(number << 3) + varint(value)


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def shape(dims):
    return field(2, b"".join(field(2, number(1, size)) for size in dims))


def tensor(array):
    """A TensorProto: numbers as tensor_content, text as string_val."""
    if array.dtype.kind == "S":
        values = b"".join(field(8, bytes(text)) for text in array.ravel().tolist())
        return number(1, STRING) + shape(array.shape) + values
    dtype = DTYPES[array.dtype.str[1:]]
    return number(1, dtype) + shape(array.shape) + field(4, array.tobytes())


def spec(model, version=None):
    chosen = b"" if version is None else field(2, number(1, version))
    return field(1, model.encode()) + chosen


def named(number, tensors):
    return b"".join(field(number, field(1, name.encode()) + field(2, tensor(a))) for name, a in tensors.items())


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def exchange(start, duration, request, response, connection):
    return (number(1, start) + number(2, duration) + field(3, METHOD) + field(4, request) + field(5, response)
            + number(9, connection))


def calls(stream, model="m"):
    """The records of a stream, in order. `extra` holds more outputs, beside `y`."""
    request = stream["req"]
    starts = np.flatnonzero(np.r_[True, np.diff(request) != 0])
    ends = np.r_[starts[1:], len(request)]
    x, y, extra = stream["X"], stream["Y"], stream.get("extra", {})
    times = (stream["t"][starts] * 1e9).astype(np.int64) + 1_700_000_000_000_000_000
    durations = (stream["lat"][starts] * 1e6).astype(np.int64)
    for a, b, at, took in zip(starts.tolist(), ends.tolist(), times.tolist(), durations.tolist()):
        outputs = {"y": y[a:b], **{name: values[a:b] for name, values in extra.items()}}
        sent = field(1, spec(model)) + named(2, {"x": x[a:b]})
        got = named(1, outputs) + field(2, spec(model, int(stream["ver"][a])))
        yield record(exchange(at, took, sent, got, 1))


def write(stream, path, rows=slice(None)):
    """Writes the rows of a stream to a file."""
    if rows != slice(None):
        stream = {**{k: v[rows] for k, v in stream.items() if isinstance(v, np.ndarray)},
                  "extra": {k: v[rows] for k, v in stream.get("extra", {}).items()}}
    with open(path, "wb") as file:
        file.writelines(calls(stream))
