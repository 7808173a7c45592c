"""What a scene is played on: the model server, Flatline in front of it, and a client."""
import contextlib
import json
import pathlib
import time
import urllib.request

import grpc
import numpy as np
import tensorflow as tf
from conftest import Flatline, Stubs
from models import fresh
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from .between import Between

# These kinds never fire the alert of the model.
AT_THE_CLIENT = {"input_collapse", "echo"}
# Rows between a verdict and a look at it.
SETTLE = 300
MIXED = [1, 4, 16, 8, 1, 16]
# A server or a poll may take its time on a busy machine.
PATIENCE = 120


class Stage:
    """One scene's model below the server's base folder, with a Flatline of its own."""

    def __init__(self, scene, server, folder, seed, flags):
        self.name, self.right, self.folder = scene.name, scene.right, pathlib.Path(folder)
        self.between = Between(server.address) if scene.between and not scene.front else None
        self.flatline = Flatline(self.between.address if self.between else server.address, *flags)
        if scene.front:
            self.between = Between(self.flatline.address)
        self.stubs = Stubs(self.between.address if scene.front else self.flatline.address)
        self.rng = np.random.default_rng(seed)
        self.batches = MIXED
        self.calls = 0
        self.rows = 0
        # Rows sent before the fault.
        self.onset = 0
        self.make = self.pixels
        self.spec = {}

    def pixels(self, rows):
        return {"inputs": tf.make_tensor_proto(fresh("digits", self.rng, rows))}

    def call(self):
        batch = self.batches[self.calls % len(self.batches)]
        self.calls += 1
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.name
        if "label" in self.spec:
            request.model_spec.version_label = self.spec["label"]
        for key, tensor in self.make(batch).items():
            request.inputs[key].CopyFrom(tensor)
        reply = self.stubs.prediction.Predict(request, timeout=60)
        self.rows += batch
        return reply

    def send(self, rows):
        until = self.rows + rows
        while self.rows < until:
            self.call()

    def verdicts(self):
        return self.flatline.verdicts()

    def roll_out(self, export, name="2"):
        """Exports beside the base folder and moves the whole into place, as a careful copy does."""
        staged = self.folder.parent.parent / f"staged-{self.name}-{name}"
        export(staged)
        staged.rename(self.folder / name)
        self.onset = self.rows

    def healthy(self, rows):
        """Rows before the fault."""
        self.send(rows)
        self.onset = self.rows

    def until_version(self, version):
        """Calls until the server answers with that version."""
        end = time.monotonic() + PATIENCE
        while self.call().model_spec.version.value != version:
            assert time.monotonic() < end, f"version {version} of {self.name} never answered"

    def until_status(self, version):
        """Waits until the server speaks of that version."""
        end = time.monotonic() + PATIENCE
        ask = get_model_status_pb2.GetModelStatusRequest()
        ask.model_spec.name = self.name
        while True:
            known = self.stubs.model.GetModelStatus(ask, timeout=30).model_version_status
            if version in [status.version for status in known]:
                return
            assert time.monotonic() < end, f"the server never spoke of version {version} of {self.name}"
            time.sleep(0.1)

    def until_named(self, right, most, version=None):
        """Sends until an alert fires, the client is at fault, or a finding of a rule in `right` is
        there: what that is, and the rows it took. Nothing after `most` rows of the scene."""
        start = 0 if version else self.rows
        while self.rows < most:
            self.call()
            verdicts = self.verdicts()
            for step in verdicts["transitions"]:
                if step["to"] == "firing" and version in (None, step["version"]):
                    place = (step["version"], step["output"])
                    return self.settled(place), step["rows"] - start
            for series in verdicts["series"]:
                if series["kind"] in AT_THE_CLIENT and version in (None, series["version"]):
                    rows = self.rows - self.onset
                    return self.settled((series["version"], series["output"])), rows
            for finding in self.findings(verdicts):
                if finding["rule"] in right:
                    return finding, self.rows - self.onset
        return None, None

    def findings(self, verdicts):
        """Those about this scene's model: the server has those of other scenes too."""
        return [finding for finding in verdicts["findings"] if finding["model"] == self.name]

    def settled(self, place):
        """The series as somebody who was woken finds it, a little later."""
        self.send(SETTLE)
        return next(s for s in self.verdicts()["series"] if (s["version"], s["output"]) == place)

    def until_finding(self, right):
        """Sends until a finding of a rule in `right` is there, which the server or the disk tell of."""
        end = time.monotonic() + PATIENCE
        self.batches = [1]
        while time.monotonic() < end:
            # A server that refuses calls says why, which is what there is to find.
            with contextlib.suppress(grpc.RpcError):
                self.call()
            for finding in self.findings(self.verdicts()):
                if finding["rule"] in right:
                    return finding, self.rows - self.onset
            time.sleep(0.05)
        return None, None

    def stop(self):
        self.stubs.channel.close()
        self.flatline.stop()
        if self.between:
            self.between.stop()
