"""A model server that runs real TensorFlow and behaves as TensorFlow Serving does on the wire.

Loads SavedModels from numbered version folders under a base folder, newest version first; keeps
the old version where a new one fails to load, and says so in GetModelStatus. Requests are decoded
by TensorFlow's own C++ decoder. Faults are switched on through standard input, one a line:
"MODEL FAULT", acknowledged by the same line on standard output. Faults: none, constant, zeros,
near_constant, nan.

Given a models.config, it serves what that says (policies and labels); else the newest version of
every folder below BASE_FOLDER.

usage: server.py BASE_FOLDER [MODELS_CONFIG]
"""
import pathlib
import sys
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2, text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

DEFAULT_SIGNATURE = "serving_default"
# TensorFlow's codes are gRPC's.
CODES = {code.value[0]: code for code in grpc.StatusCode}
Status = get_model_status_pb2.ModelVersionStatus


class Model:
    """The versions of one model: what is on disk, what is loaded, what failed."""

    def __init__(self, folder, pinned=(), labels=None):
        self.folder = folder
        self.pinned = set(pinned)
        self.labels = labels or {}
        self.loaded = {}
        self.failed = {}
        self.defaults = {}
        self.fault = "none"
        self.frozen = {}
        self.noise = np.random.default_rng(0)

    def poll(self):
        versions = {int(p.name) for p in self.folder.iterdir() if p.name.isdigit()}
        wanted = versions & self.pinned if self.pinned else {max(versions, default=0)} - {0}
        for version in sorted(wanted - set(self.loaded) - set(self.failed)):
            path = self.folder / str(version)
            try:
                loaded = tf.saved_model.load(str(path))
                graphs = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs
                self.defaults[version] = {key: s.defaults for key, s in graphs[0].signature_def.items()}
                # Calls come in while this runs: a version that is seen has everything.
                self.loaded[version] = loaded
            except Exception as error:
                self.failed[version] = str(error)
        # The old version serves until a new one does.
        if wanted & set(self.loaded):
            for old in set(self.loaded) - wanted:
                del self.loaded[old]

    def broken(self, name, value):
        if self.fault == "none":
            self.frozen.pop(name, None)
            return value
        row = self.frozen.setdefault(name, value[:1].copy())
        flat = np.repeat(row, len(value), axis=0)
        if self.fault == "zeros":
            return np.zeros_like(value)
        if self.fault == "nan":
            return np.full_like(value, np.nan)
        if self.fault == "near_constant":
            return flat + (1e-6 * np.abs(row).max() * self.noise.standard_normal(value.shape)).astype(value.dtype)
        return flat


class Server(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, base, config=None):
        self.models = {p.name: Model(p) for p in pathlib.Path(base).iterdir() if p.is_dir()}
        if config:
            text = pathlib.Path(config).read_text()
            listed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
            for entry in listed:
                pinned = entry.model_version_policy.specific.versions
                self.models[entry.name] = Model(pathlib.Path(entry.base_path), pinned, dict(entry.version_labels))
        self.poll()

    def poll(self):
        for model in self.models.values():
            model.poll()

    def find(self, spec, context):
        """The model, the version that answers, and its graph."""
        if not spec.name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
        model = self.models.get(spec.name)
        version = spec.version.value if spec.HasField("version") else max(model.loaded, default=0) if model else 0
        if spec.WhichOneof("version_choice") == "version_label":
            if model is None or spec.version_label not in model.labels:
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Unrecognized servable version label: {spec.version_label}",
                )
            version = model.labels[spec.version_label]
        if model is None or version not in model.loaded:
            asked = f"Specific({spec.name}, {version})" if spec.HasField("version") else f"Latest({spec.name})"
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")
        return model, version, model.loaded[version]

    def Predict(self, request, context):
        model, version, graph = self.find(request.model_spec, context)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        if name not in graph.signatures:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        signature = graph.signatures[name]
        wanted = signature.structured_input_signature[1]
        defaults = model.defaults[version].get(name, {})
        given = {**defaults, **request.inputs}
        if set(wanted) != set(given):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"input size does not match signature: {len(request.inputs)}!={len(wanted)}",
            )
        inputs = {}
        for key, proto in given.items():
            try:
                # The decoder behind this call is Tensor::FromProto, as in TensorFlow Serving.
                inputs[key] = tf.io.parse_tensor(proto.SerializeToString(), wanted[key].dtype)
            except tf.errors.OpError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {key}: {error.message}")
        try:
            outputs = signature(**inputs)
        except tf.errors.OpError as error:
            context.abort(CODES[error.error_code], error.message[:1024])
        except (TypeError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:1024])
        reply = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            reply.outputs[key].CopyFrom(tensor_proto(model.broken(key, value.numpy())))
        reply.model_spec.name = request.model_spec.name
        reply.model_spec.version.value = version
        reply.model_spec.signature_name = name
        return reply

    def GetModelStatus(self, request, context):
        model = self.models.get(request.model_spec.name)
        if model is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}")
        reply = get_model_status_pb2.GetModelStatusResponse()
        for version in sorted({*model.loaded, *model.failed}, reverse=True):
            status = reply.model_version_status.add(version=version)
            status.state = Status.AVAILABLE if version in model.loaded else Status.END
            if version in model.failed:
                status.status.error_code = grpc.StatusCode.NOT_FOUND.value[0]
                status.status.error_message = model.failed[version][:1024]
        return reply

    def GetModelMetadata(self, request, context):
        _, version, graph = self.find(request.model_spec, context)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in graph.signatures.items():
            target = signatures.signature_def[name]
            target.method_name = "tensorflow/serving/predict"
            for key, spec in signature.structured_input_signature[1].items():
                describe(target.inputs[key], spec)
            for key, spec in signature.structured_outputs.items():
                describe(target.outputs[key], spec)
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.model_spec.name = request.model_spec.name
        reply.model_spec.version.value = version
        packed = any_pb2.Any()
        packed.Pack(signatures)
        reply.metadata["signature_def"].CopyFrom(packed)
        return reply


def describe(info, spec):
    info.dtype = spec.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(spec.shape.as_proto())


def tensor_proto(value):
    """As AsProtoField does: every value in its typed field."""
    proto = tf.make_tensor_proto(value)
    if proto.tensor_content:
        typed = tf.make_tensor_proto(0, dtype=value.dtype, shape=value.shape)
        field = {1: "float_val", 2: "double_val", 9: "int64_val", 3: "int_val"}[proto.dtype]
        typed.ClearField(field)
        getattr(typed, field).extend(value.ravel().tolist())
        return typed
    return proto


def main():
    servicer = Server(*sys.argv[1:])
    no_limit = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(4), options=no_limit)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)

    def watch():
        while True:
            time.sleep(0.5)
            servicer.poll()

    threading.Thread(target=watch, daemon=True).start()
    for line in sys.stdin:
        name, fault = line.split()
        servicer.models[name].fault = fault
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main()
