"""gRPC's interoperability cases with the C core at both ends, as its "interop test descriptions"
word them; sizes, texts and names are theirs."""
import queue

import grpc
import pytest
import testing_pb2 as pb
import testing_pb2_grpc as rpc
from conftest import INITIAL, TRAILING, WATCHED, open_channel

LARGE_REQUEST, LARGE_REPLY = 271_828, 314_159
SENT = [27_182, 8, 1_828, 45_904]
WANTED = [31_415, 9, 2_653, 58_979]
# Generous: the machine may be busy, and no case is about speed.
BOUND = 60


class Calls:
    """Requests of a stream, sent as they are put; `None` ends it."""

    def __init__(self):
        self.queue = queue.Queue()

    def __iter__(self):
        return iter(self.queue.get, None)

    def put(self, request):
        self.queue.put(request)


def payload(size):
    return pb.Payload(body=bytes(size))


def large():
    return pb.SimpleRequest(response_size=LARGE_REPLY, payload=payload(LARGE_REQUEST))


def duplex(sent, *wanted):
    wanted = [pb.ResponseParameters(size=size) for size in wanted]
    return pb.StreamingOutputCallRequest(response_parameters=wanted, payload=payload(sent))


@pytest.fixture
def stub(channel):
    return rpc.TestServiceStub(channel)


def test_empty_unary(stub):
    assert stub.EmptyCall(pb.Empty(), timeout=BOUND) == pb.Empty()


def test_large_unary(stub):
    assert stub.UnaryCall(large(), timeout=BOUND).payload.body == bytes(LARGE_REPLY)


def test_client_streaming(stub):
    requests = (pb.StreamingInputCallRequest(payload=payload(size)) for size in SENT)
    assert stub.StreamingInputCall(requests, timeout=BOUND).aggregated_payload_size == 74_922


def test_server_streaming(stub):
    replies = list(stub.StreamingOutputCall(duplex(0, *WANTED), timeout=BOUND))
    assert [r.payload.body for r in replies] == [bytes(size) for size in WANTED]


def test_ping_pong(stub):
    calls = Calls()
    replies = stub.FullDuplexCall(iter(calls), timeout=BOUND)
    for sent, wanted in zip(SENT, WANTED):
        calls.put(duplex(sent, wanted))
        # Before the next is sent: the reply passes while the client's half is open.
        assert next(replies).payload.body == bytes(wanted)
    calls.put(None)
    assert list(replies) == []
    assert replies.code() is grpc.StatusCode.OK


def test_empty_stream(stub):
    replies = stub.FullDuplexCall(iter(()), timeout=BOUND)
    assert list(replies) == []
    assert replies.code() is grpc.StatusCode.OK


def test_timeout_on_sleeping_server(stub):
    calls = Calls()
    calls.put(duplex(SENT[0]))
    replies = stub.FullDuplexCall(iter(calls), timeout=0.001)
    with pytest.raises(grpc.RpcError) as error:
        next(replies)
    calls.put(None)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_cancel_after_begin(stub):
    calls = Calls()
    call = stub.StreamingInputCall.future(iter(calls), timeout=BOUND)
    call.cancel()
    calls.put(None)
    assert call.code() is grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(stub, service):
    service.over.clear()
    calls = Calls()
    calls.put(duplex(SENT[0], WANTED[0]))
    # Nothing else ends this call: its deadline is far, and the client does not half-close before.
    replies = stub.FullDuplexCall(iter(calls), timeout=2 * BOUND, metadata=[(WATCHED, "1")])
    assert next(replies).payload.body == bytes(WANTED[0])
    replies.cancel()
    with pytest.raises(grpc.RpcError) as error:
        next(replies)
    calls.put(None)
    assert error.value.code() is grpc.StatusCode.CANCELLED
    assert service.over.wait(BOUND), "the server hears of it"


@pytest.mark.parametrize("message", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"],
                         ids=["status_code_and_message", "special_status_message"])
def test_status(stub, message):
    status = pb.EchoStatus(code=2, message=message)
    with pytest.raises(grpc.RpcError) as unary:
        stub.UnaryCall(pb.SimpleRequest(response_status=status), timeout=BOUND)
    with pytest.raises(grpc.RpcError) as stream:
        list(stub.FullDuplexCall(iter([pb.StreamingOutputCallRequest(response_status=status)]), timeout=BOUND))
    for error in (unary.value, stream.value):
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, message)


def test_custom_metadata(stub):
    sent = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]
    _, unary = stub.UnaryCall.with_call(large(), metadata=sent, timeout=BOUND)
    stream = stub.FullDuplexCall(iter([duplex(LARGE_REQUEST, LARGE_REPLY)]), metadata=sent, timeout=BOUND)
    assert [len(r.payload.body) for r in stream] == [LARGE_REPLY]
    for call in (unary, stream):
        assert (INITIAL, "test_initial_metadata_value") in call.initial_metadata()
        assert (TRAILING, b"\xab\xab\xab") in call.trailing_metadata()


@pytest.mark.parametrize("path", ["/grpc.testing.TestService/UnimplementedCall", "/grpc.testing.UnimplementedService/UnimplementedCall"],
                         ids=["unimplemented_method", "unimplemented_service"])
def test_unimplemented(channel, path):
    call = channel.unary_unary(path, pb.Empty.SerializeToString, pb.Empty.FromString)
    with pytest.raises(grpc.RpcError) as error:
        call(pb.Empty(), timeout=BOUND)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_rpc_soak(stub):
    for _ in range(300):
        assert len(stub.UnaryCall(large(), timeout=BOUND).payload.body) == LARGE_REPLY


def test_channel_soak(address):
    for _ in range(50):
        with open_channel(address) as channel:
            reply = rpc.TestServiceStub(channel).UnaryCall(large(), timeout=BOUND)
            assert len(reply.payload.body) == LARGE_REPLY
