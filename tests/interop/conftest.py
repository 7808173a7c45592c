"""The server of the cases on the C core, and Flatline in front of it, by TCP and by Unix sockets."""
import os
import pathlib
import subprocess
import threading
from concurrent import futures

import grpc
import pytest
import testing_pb2 as pb
import testing_pb2_grpc as rpc

HERE = pathlib.Path(__file__).parent
FLATLINE = os.environ.get("FLATLINE_BINARY", str(HERE.parent.parent / "target/debug/flatline"))
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
# Of the one call whose end on the server is of interest.
WATCHED = "x-watched"


class Service(rpc.TestServiceServicer):
    """Does what the descriptions of the cases ask a server for."""

    def __init__(self):
        # Set when a call has ended that asked to be watched.
        self.over = threading.Event()

    def _begin(self, context):
        sent = dict(context.invocation_metadata())
        if INITIAL in sent:
            context.send_initial_metadata([(INITIAL, sent[INITIAL])])
        if TRAILING in sent:
            context.set_trailing_metadata([(TRAILING, sent[TRAILING])])

    def EmptyCall(self, request, context):
        return pb.Empty()

    def UnaryCall(self, request, context):
        self._begin(context)
        if request.HasField("response_status"):
            self._fail(context, request.response_status)
        return pb.SimpleResponse(payload=pb.Payload(body=bytes(request.response_size)))

    def StreamingOutputCall(self, request, context):
        yield from self._replies(request)

    def StreamingInputCall(self, requests, context):
        return pb.StreamingInputCallResponse(aggregated_payload_size=sum(len(r.payload.body) for r in requests))

    def FullDuplexCall(self, requests, context):
        if WATCHED in dict(context.invocation_metadata()):
            context.add_callback(self.over.set)
        self._begin(context)
        for request in requests:
            if request.HasField("response_status"):
                self._fail(context, request.response_status)
            yield from self._replies(request)

    @staticmethod
    def _replies(request):
        for wanted in request.response_parameters:
            yield pb.StreamingOutputCallResponse(payload=pb.Payload(body=bytes(wanted.size)))

    @staticmethod
    def _fail(context, status):
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[status.code], status.message)


class Flatline:
    """`flatline serve` until it is stopped; prints what it listens on."""

    def __init__(self, listen, upstream):
        command = [FLATLINE, "serve", "--listen", listen, "--admin", "127.0.0.1:0", "--upstream", upstream]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        start = "listening on "
        self.address = next(line[len(start):].strip() for line in self.child.stdout if line.startswith(start))

    def stop(self):
        self.child.terminate()
        return self.child.wait(timeout=60)


@pytest.fixture(scope="module")
def service():
    return Service()


@pytest.fixture(scope="module", params=["tcp", "unix"])
def address(request, service, tmp_path_factory):
    """Of Flatline, which has the server behind it; both by TCP, or both by Unix sockets."""
    folder = tmp_path_factory.mktemp("sockets")
    server = grpc.server(futures.ThreadPoolExecutor(16), options=UNLIMITED)
    rpc.add_TestServiceServicer_to_server(service, server)
    if request.param == "tcp":
        upstream = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        listen = "127.0.0.1:0"
    else:
        upstream, listen = f"unix:{folder}/server", f"unix:{folder}/flatline"
        server.add_insecure_port(upstream)
    server.start()
    proxy = Flatline(listen, upstream)
    yield proxy.address
    assert proxy.stop() == 0
    server.stop(None).wait()


@pytest.fixture
def channel(address):
    with open_channel(address) as channel:
        yield channel


def open_channel(address):
    """A channel with a connection of its own."""
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1), *UNLIMITED])
