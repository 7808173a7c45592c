"""Processes for the tests: the model server, and Flatline in front of it."""
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import grpc
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

HERE = pathlib.Path(__file__).parent
# An analyzer on a busy machine.
PATIENCE = 120
FLATLINE = os.environ.get("FLATLINE_BINARY", str(HERE.parent.parent / "target/debug/flatline"))


class Process:
    """A child that prints what it listens on."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self, start):
        for line in self.child.stdout:
            if line.startswith(start):
                return line[len(start):].strip()
        raise AssertionError(f"ended before it printed {start!r}")

    def stop(self):
        self.child.terminate()
        return self.child.wait(timeout=30)


class ModelServer(Process):
    def __init__(self, *paths):
        super().__init__([sys.executable, str(HERE / "server.py"), *map(str, paths)])
        self.address = self.line("listening on ")

    def fault(self, model, fault):
        self.child.stdin.write(f"{model} {fault}\n")
        self.child.stdin.flush()
        self.line(f"{model} {fault}")


class Flatline(Process):
    def __init__(self, upstream, *flags):
        command = [FLATLINE, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream]
        super().__init__([*command, *flags])
        self.address = self.line("listening on ")
        self.admin = self.line("admin on ")

    def verdicts(self):
        """The verdicts over all calls so far. While the analyzer is behind, the answer is 503."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.admin}/api/v1/verdicts") as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > end:
                    raise
                time.sleep(0.1)


class Stubs:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The trained models; kept between runs where the cache folder is given."""
    cache = os.environ.get("FLATLINE_MODELS")
    folder = pathlib.Path(cache) if cache else tmp_path_factory.mktemp("models")
    if not (folder / "digit_id/1/saved_model.pb").exists():
        subprocess.run([sys.executable, str(HERE / "models.py"), str(folder)], check=True)
    return folder


@pytest.fixture
def server(base):
    server = ModelServer(base)
    yield server
    server.stop()


@pytest.fixture
def flatline(server):
    proxy = Flatline(server.address)
    yield proxy
    assert proxy.stop() == 0
