"""The main job on real input: official client stubs -> Flatline -> real TensorFlow."""
import json
import subprocess

import grpc
import numpy as np
import pytest
import tensorflow as tf
from conftest import FLATLINE, Flatline, Stubs
from models import fresh
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

MODELS = ["digits", "diabetes", "digit_id"]
BATCHES = [1, 4, 32, 8, 16, 1, 32]


def request(model, rows, version=None):
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    if version is not None:
        message.model_spec.version.value = version
    message.inputs["inputs"].CopyFrom(tf.make_tensor_proto(rows))
    return message


def send(stubs, model, rng, rows):
    """Sends at least `rows` fresh rows and returns how many."""
    sent = 0
    for call in range(rows):
        if sent >= rows:
            break
        batch = BATCHES[call % len(BATCHES)]
        stubs.prediction.Predict(request(model, fresh(model, rng, batch)), timeout=30)
        sent += batch
    return sent


@pytest.mark.parametrize("model", MODELS)
def test_a_healthy_model_stays_quiet_over_20000_rows(flatline, model):
    stubs = Stubs(flatline.address)
    sent = send(stubs, model, np.random.default_rng(1), 20_000)
    verdicts = flatline.verdicts()
    assert verdicts["observed"] == {"calls": verdicts["observed"]["calls"], "rows": sent, "skipped": {}, "rate": 1.0}
    assert verdicts["transitions"] == []
    (series,) = verdicts["series"]
    assert (series["model"], series["version"], series["signature"]) == (model, 1, "serving_default")
    assert series["state"] == "inactive" and series["kind"] is None


@pytest.mark.parametrize(
    "model, fault, kind",
    [
        ("digits", "constant", "constant"),
        ("digits", "near_constant", "near_constant"),
        ("digits", "nan", "non_finite"),
        ("diabetes", "constant", "constant"),
        ("diabetes", "zeros", "constant"),
        ("diabetes", "near_constant", "near_constant"),
        ("digit_id", "constant", "constant"),
    ],
)
def test_a_collapsed_model_fires_within_200_distinct_rows(server, flatline, model, fault, kind):
    stubs = Stubs(flatline.address)
    rng = np.random.default_rng(2)
    healthy = send(stubs, model, rng, 3000)
    assert flatline.verdicts()["transitions"] == []
    server.fault(model, fault)
    send(stubs, model, rng, 300)
    verdicts = flatline.verdicts()
    steps = [(step["from"], step["to"]) for step in verdicts["transitions"]]
    assert steps == [("inactive", "pending"), ("pending", "firing")]
    firing = verdicts["transitions"][-1]
    assert (firing["model"], firing["version"], firing["kind"]) == (model, 1, kind)
    assert firing["rows"] - healthy <= 200
    assert verdicts["series"][0]["state"] == "firing"


def test_the_fault_goes_away_and_the_alert_resolves(server, flatline):
    stubs = Stubs(flatline.address)
    rng = np.random.default_rng(3)
    send(stubs, "digits", rng, 1000)
    server.fault("digits", "constant")
    send(stubs, "digits", rng, 300)
    assert flatline.verdicts()["series"][0]["state"] == "firing"
    server.fault("digits", "none")
    send(stubs, "digits", rng, 500)
    assert flatline.verdicts()["series"][0]["state"] == "resolved"


def test_a_client_that_repeats_one_input_never_fires(flatline):
    stubs = Stubs(flatline.address)
    rng = np.random.default_rng(4)
    send(stubs, "digits", rng, 1000)
    same = request("digits", fresh("digits", rng, 1))
    for _ in range(800):
        stubs.prediction.Predict(same, timeout=30)
    verdicts = flatline.verdicts()
    assert verdicts["series"][0]["kind"] == "input_collapse"
    assert all(step["to"] != "firing" for step in verdicts["transitions"])


def test_a_capture_reaches_the_same_verdicts_as_the_live_run(server, tmp_path):
    # What the server says of its versions is in no capture, and bears on the causes alone.
    proxy = Flatline(server.address, "--capture", str(tmp_path / "capture"), "--truth-interval", "0")
    stubs = Stubs(proxy.address)
    rng = np.random.default_rng(6)
    send(stubs, "digits", rng, 1000)
    server.fault("digits", "constant")
    send(stubs, "digits", rng, 200)
    send(stubs, "diabetes", rng, 200)
    live = proxy.verdicts()
    assert proxy.stop() == 0
    analyzed = subprocess.run(
        [FLATLINE, "analyze", "--format", "json", str(tmp_path / "capture")], capture_output=True, text=True
    )
    assert analyzed.returncode == 1, analyzed.stderr
    offline = json.loads(analyzed.stdout)
    assert live["transitions"] and offline["transitions"] == live["transitions"]
    assert offline["series"] == live["series"]
    assert offline["observed"] == live["observed"]


def test_replies_and_errors_are_those_of_the_server(server, flatline):
    direct, proxied = Stubs(server.address), Stubs(flatline.address)
    rows = fresh("digits", np.random.default_rng(5), 8)
    assert direct.prediction.Predict(request("digits", rows)) == proxied.prediction.Predict(request("digits", rows))
    bad = [request("nobody", rows), request("digits", rows, version=9), request("digits", rows[:, :3])]
    for message in bad:
        errors = []
        for stubs in (direct, proxied):
            with pytest.raises(grpc.RpcError) as error:
                stubs.prediction.Predict(message)
            errors.append((error.value.code(), error.value.details()))
        assert errors[0] == errors[1]
    assert flatline.verdicts()["observed"]["skipped"] == {"not_ok": len(bad)}


def test_the_other_methods_pass(server, flatline):
    direct, proxied = Stubs(server.address), Stubs(flatline.address)
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "digits"
    assert direct.model.GetModelStatus(status) == proxied.model.GetModelStatus(status)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "digits"
    replies = [s.prediction.GetModelMetadata(metadata).SerializeToString(deterministic=True) for s in (direct, proxied)]
    assert replies[0] == replies[1]


def test_a_large_request_passes(flatline):
    rows = np.zeros((40_000, 64), np.float32)
    rows[:, 0] = np.arange(40_000)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(flatline.address, options=options) as channel:
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        reply = stub.Predict(request("digits", rows))
    assert tf.make_ndarray(reply.outputs["probabilities"]).shape == (40_000, 10)
