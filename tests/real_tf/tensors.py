"""Random TensorProtos, written byte by byte, so that every encoding the wire allows comes up."""
import struct

from tensorflow.core.framework import types_pb2

TYPES = sorted(number for number in types_pb2.DataType.values() if 0 < number < 100)
RESOURCE, VARIANT, STRING = 20, 21, 7
FIELDS = {"float": 5, "double": 6, "int": 7, "string": 8, "scomplex": 9, "int64": 10, "bool": 11, "dcomplex": 12,
          "half": 13, "uint32": 16, "uint64": 17, "float8": 18}
OWN = {1: "float", 2: "double", 7: "string", 8: "scomplex", 9: "int64", 10: "bool", 14: "half", 18: "dcomplex",
       19: "half", 22: "uint32", 23: "uint64", **dict.fromkeys([24, 25, 26, 27, 28], "float8")}
SIZES = {1: 4, 2: 8, 3: 4, 5: 2, 8: 8, 9: 8, 13: 4, 14: 2, 15: 2, 16: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}
# TensorFlow takes the memory that a shape asks for.
MOST = 4096


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(field, kind):
    return varint(field << 3 | kind)


def delimited(field, data):
    return tag(field, 2) + varint(len(data)) + data


class Generator:
    """Every tensor follows from the seed."""

    def __init__(self, rng):
        self.rng = rng

    def tensor(self):
        """One message, and its declared type."""
        rng = self.rng
        dtype = rng.choice(TYPES) if rng.random() < 0.97 else rng.choice([0, -1, 34, 77, 101, 107, 2**31 - 1])
        shape, count = self.shape()
        parts = [tag(1, 0) + varint(dtype), *shape, *self.values(dtype, count)]
        if rng.random() < 0.2:
            parts.append(tag(3, 0) + varint(rng.choice([0, 1, -1, 2**40])))
        if rng.random() < 0.1:
            parts.append(self.unknown())
        if rng.random() < 0.02:
            parts.append(self.handle())
        if rng.random() < 0.5:
            rng.shuffle(parts)
        message = b"".join(parts)
        return (self.damaged(message) if rng.random() < 0.06 else message), dtype

    def shape(self):
        """Fields of the shape, and the number of elements; 0 where there is none."""
        rng = self.rng
        odd = rng.random()
        if odd < 0.03:
            dims = rng.choice([[-1], [-1, 3], [2, -5], [-(2**63)], [0, -1], [2**32, 2**32], [2**62, 4, 0],
                               [0, 2**62, 4], [2**63 - 1, 2], [2**31, 2**31, 2**31], [1] * 255, [1] * 300])
        elif odd < 0.05:
            dims = rng.choice([[1] * 254, [1] * 253 + [3], [0] * 254, [2**40, 0, 3], [0, 2**40], [2**63 - 1, 0]])
        else:
            dims = [rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 7, 16]) for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 2, 3, 4]))]
        count = 1
        for dim in dims:
            count *= max(dim, 0)
        encoded = []
        for size in dims:
            dim = tag(1, 0) + varint(size) if size or rng.random() < 0.5 else b""
            if rng.random() < 0.03:
                dim += delimited(2, rng.choice([b"batch", "größe".encode(), b"", b"\xff\xfe", b"\xed\xa0\x80"]))
            encoded.append(delimited(2, dim))
        if rng.random() < 0.05:
            encoded.insert(rng.randrange(len(encoded) + 1), tag(3, 0) + varint(rng.choice([0, 1])))
        if not encoded and rng.random() < 0.3:
            return [], 1
        cut = rng.randrange(len(encoded) + 1) if rng.random() < 0.05 else len(encoded)
        pieces = [encoded[:cut], encoded[cut:]] if cut < len(encoded) else [encoded]
        return [delimited(2, b"".join(piece)) for piece in pieces], count if count <= MOST else 0

    def values(self, dtype, count):
        rng = self.rng
        own = OWN.get(dtype, "int")
        size = SIZES.get(dtype, 1)
        parts = []
        how = rng.random()
        if how < 0.30:
            parts += self.content(dtype, size, count)
        if how > 0.25 and how < 0.92:
            given = rng.choice([count, count, count, 0, 1, count // 2, max(count - 1, 0), count + 1, count + 7])
            parts += self.field(own, min(given, 2 * MOST))
        if how > 0.85:
            parts += self.field(rng.choice(list(FIELDS)), rng.choice([0, 1, count, count + 1]))
        return parts

    def content(self, dtype, size, count):
        rng = self.rng
        if dtype == STRING:
            strings = [rng.randbytes(rng.choice([0, 1, 3, 130])) for _ in range(max(count + rng.choice([0, 0, 0, -1, 1]), 0))]
            data = b"".join(varint(len(s)) for s in strings) + b"".join(strings)
            data += rng.choice([b"", b"", b"", b"x"])
        else:
            data = rng.randbytes(max(size * count + rng.choice([0, 0, 0, 0, 0, -1, 1, size, -size]), 0))
        parts = [delimited(4, data)]
        if rng.random() < 0.03:
            parts.append(delimited(4, rng.choice([b"", data, data[1:]])))
        return parts

    def field(self, name, given):
        rng = self.rng
        number = FIELDS[name]
        if name in ("string", "float8"):
            if name == "float8":
                return [delimited(number, rng.randbytes(given)) for _ in range(rng.choice([1, 1, 1, 2]))]
            return [delimited(number, rng.randbytes(rng.choice([0, 2, 2, 9]))) for _ in range(given)]
        if name in ("scomplex", "dcomplex"):
            given = max(2 * given + rng.choice([0, 0, 0, 0, 1]), 0)
        if name in ("float", "scomplex"):
            kind, values = 5, [struct.pack("<I", rng.choice([rng.getrandbits(32), 0, 0x7FC00001, 0x80000000])) for _ in range(given)]
        elif name in ("double", "dcomplex"):
            kind, values = 1, [struct.pack("<Q", rng.getrandbits(64)) for _ in range(given)]
        else:
            kind, values = 0, [varint(rng.getrandbits(rng.choice([1, 3, 7, 8, 16, 31, 32, 33, 64]))) for _ in range(given)]
        if rng.random() < 0.15:
            return [tag(number, kind) + value for value in values]
        if rng.random() < 0.15 and values:
            cut = rng.randrange(len(values))
            loose = [tag(number, kind) + value for value in values[cut:]]
            return [delimited(number, b"".join(values[:cut])), *loose]
        return [delimited(number, b"".join(values))] if values or rng.random() < 0.5 else []

    def unknown(self):
        rng = self.rng
        return rng.choice([
            tag(99, 0) + varint(rng.getrandbits(64)),
            tag(100, 2) + b"\x03abc",
            tag(101, 3) + tag(1, 0) + b"\x05" + tag(2, 3) + tag(2, 4) + tag(101, 4),
            # Fields of a wrong wire type are unknown fields.
            tag(1, 2) + b"\x01\x01",
            tag(2, 0) + b"\x07",
            tag(4, 5) + b"abcd",
            tag(5, 0) + b"\x07",
            tag(5, 1) + b"12345678",
            tag(8, 0) + b"\x07",
            tag(10, 5) + b"abcd",
            tag(18, 0) + b"\x07",
        ])

    def handle(self):
        """A resource or a variant, sound or not: not read, yet part of the message."""
        rng = self.rng
        inner = rng.choice([b"", delimited(1, b"/cpu:0"), delimited(1, b"\xff"), b"\x0a\x05a", delimited(3, b"n"),
                            delimited(2, b"\xc3\x28"), tag(4, 0) + varint(2**63), delimited(6, b"\x08\x01"),
                            delimited(3, b"\x08\x01"), delimited(3, b"\x12\x03\x12\x01\x08")])
        return delimited(rng.choice([14, 15]), inner)

    def damaged(self, message):
        rng = self.rng
        data = bytearray(message)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(len(data) + 1)
            what = rng.random()
            if what < 0.4 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif what < 0.6:
                del data[at:]
            elif what < 0.8 and at < len(data):
                del data[at]
            else:
                data[at:at] = rng.choice([b"\x80", b"\xff" * 10 + b"\x01", b"\x00", b"\x88\x80\x80\x80\x80\x00"])
        return bytes(data)
