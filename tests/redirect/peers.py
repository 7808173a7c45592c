"""A model server and its client, as small as they can be: real gRPC, no TensorFlow.

peers.py serve PORT FILE        answers Predict, and writes how many calls it got to FILE
peers.py call ADDRESS COUNT     sends COUNT Predict calls; exits 1 unless all are answered rightly
"""

import struct
import sys
from concurrent import futures

import grpc

METHOD = "/tensorflow.serving.PredictionService/Predict"


def field(number, payload):
    size, text = len(payload), bytearray()
    while size > 127:
        text.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes(text) + bytes([size]) + payload


def tensor(values):
    shape = field(2, b"\x08\x01") + field(2, bytes([8, len(values)]))
    floats = struct.pack(f"<{len(values)}f", *values)
    return b"\x08\x01" + field(2, shape) + field(5, floats)


def spec():
    return field(1, b"digits") + field(2, b"\x08\x01") + field(3, b"serving_default")


def named(name, values):
    return field(1, name) + field(2, tensor(values))


def request(nth):
    return field(1, spec()) + field(2, named(b"x", [float(nth), 1.0, 2.0]))


def reply(asked):
    # Differs with what was asked, so that a client knows its own answer.
    return field(2, spec()) + field(1, named(b"y", [float(sum(asked) % 97), 0.5]))


def serve(port, path):
    count = 0

    def predict(asked, _):
        nonlocal count
        count += 1
        with open(path, "w", encoding="ascii") as file:
            file.write(str(count))
        return reply(asked)

    handler = grpc.unary_unary_rpc_method_handler(predict)
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler})
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[service])
    # As TensorFlow Serving binds it: both families.
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


def call(address, count):
    with grpc.insecure_channel(address) as channel:
        predict = channel.unary_unary(METHOD)
        for nth in range(int(count)):
            asked = request(nth)
            answer = predict(asked, timeout=30)
            if answer != reply(asked):
                sys.exit(f"{address}: call {nth} got another answer")


if __name__ == "__main__":
    try:
        {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
    except grpc.RpcError as error:
        sys.exit(f"{sys.argv[2]}: {error.code().name}: {error.details()}")
