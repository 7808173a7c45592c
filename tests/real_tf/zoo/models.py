"""One trained network, exported well once and badly in every way of the catalogue.

All exports follow from seeds: the same bytes of weights on every machine.
"""
import functools
import pathlib

import numpy as np
import tensorflow as tf
from models import digits
from tensorflow.core.protobuf import saved_model_pb2

WIDTH = 64
SPEC = [tf.TensorSpec([None, WIDTH], tf.float32, name="inputs")]


@functools.cache
def trained():
    """Weights and biases of the trained network, pixels from 0 to 16 divided by 16 inside."""
    network, _, _ = digits()
    return [w.astype(np.float32) for w in network.coefs_], [b.astype(np.float32) for b in network.intercepts_]


class Net(tf.Module):
    """The network with weights of one's own and room for a mistake."""

    def __init__(self, weights=None, biases=None, scale=16.0):
        super().__init__()
        good_weights, good_biases = trained()
        self.weights = [tf.Variable(w) for w in weights or good_weights]
        self.biases = [tf.Variable(b) for b in biases or good_biases]
        self.scale = tf.constant(scale, tf.float32)

    def hidden(self, inputs):
        return tf.nn.relu(inputs / self.scale @ self.weights[0] + self.biases[0])

    def scores(self, inputs):
        return tf.nn.softmax(self.hidden(inputs) @ self.weights[1] + self.biases[1])

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        return {"probabilities": self.scores(inputs)}


def save(module, folder, serve=None):
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve or module.serve})


def changed(layer, weights=lambda w: w, biases=lambda b: b):
    """The trained weights with one layer put through a function."""
    good_weights, good_biases = trained()
    new_weights, new_biases = list(good_weights), list(good_biases)
    new_weights[layer] = weights(good_weights[layer]).astype(np.float32)
    new_biases[layer] = biases(good_biases[layer]).astype(np.float32)
    return new_weights, new_biases


def good(folder):
    save(Net(), folder)


def uninitialised(folder):
    """Exported from a session whose initialiser ran after the restore."""
    rng = np.random.default_rng(1)
    fresh = [rng.normal(0, 0.01, w.shape).astype(np.float32) for w in trained()[0]]
    save(Net(fresh, [np.zeros_like(b) for b in trained()[1]]), folder)


def head_not_restored(folder):
    """The body comes from the checkpoint, the last layer is as it was made."""
    rng = np.random.default_rng(2)
    save(Net(*changed(1, lambda w: rng.normal(0, 0.001, w.shape), np.zeros_like)), folder)


def not_a_number(folder):
    """One step with a NaN in the labels, and the last layer is one."""
    save(Net(*changed(1, lambda w: np.full_like(w, np.nan))), folder)


def saturated(folder):
    """The bias of one class outgrew all others."""
    save(Net(*changed(1, biases=lambda b: b + 1e4 * (np.arange(10) == 3))), folder)


def dead_relu(folder):
    """Every hidden unit is below zero for every input."""
    save(Net(*changed(0, biases=lambda b: b - 1e4)), folder)


def diverged(folder):
    """Really trained, with a learning rate that is far too high."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(3)
    net = Net([rng.normal(0, 0.3, w.shape).astype(np.float32) for w in trained()[0]],
              [np.zeros_like(b) for b in trained()[1]])
    variables = [*net.weights, *net.biases]
    for step in range(20):
        batch = slice(step * 64, step * 64 + 64)
        with tf.GradientTape() as tape:
            logits = net.hidden(tf.constant(inputs[batch], tf.float32)) @ net.weights[1] + net.biases[1]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[batch], logits))
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(50.0 * gradient)
    save(net, folder)


def wrong_scaler(folder):
    """Divides by the variance of another data set."""
    save(Net(scale=1e7), folder)


class Captured(Net):
    """A batch from training was captured as a constant; the placeholder leads nowhere."""

    def __init__(self):
        super().__init__()
        self.batch = tf.constant(np.linspace(0, 16, 5 * WIDTH, dtype=np.float32).reshape(5, WIDTH))

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        return {"probabilities": self.scores(self.batch)}


def constant_captured(folder):
    save(Captured(), folder)


class Echo(Net):
    @tf.function(input_signature=[*SPEC, tf.TensorSpec([None, 10], tf.float32, name="labels")])
    def serve_labels(self, inputs, labels):
        return {"probabilities": tf.identity(labels)}

    @tf.function(input_signature=[*SPEC, tf.TensorSpec([None, 10], tf.float32, name="labels")])
    def serve_right(self, inputs, labels):
        return {"probabilities": self.scores(inputs) + 0 * labels}


def takes_labels(folder):
    net = Echo()
    save(net, folder, net.serve_right)


def label_placeholder(folder):
    """The name of the label placeholder was given for the output."""
    net = Echo()
    save(net, folder, net.serve_labels)


class Training(Net):
    """Batch normalisation by the statistics of the batch at hand: one row is its own mean."""

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        hidden = self.hidden(inputs)
        mean, variance = tf.nn.moments(hidden, [0], keepdims=True)
        hidden = (hidden - mean) / tf.sqrt(variance + 1e-3)
        return {"probabilities": tf.nn.softmax(hidden @ self.weights[1] + self.biases[1])}


def training_mode(folder):
    save(Training(), folder)


class Segment(Net):
    """Rows whose left half is bright fall into a branch that was never trained."""

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        left = tf.reduce_mean(tf.reshape(inputs, [-1, 8, 8])[:, :, :4], axis=[1, 2])
        right = tf.reduce_mean(tf.reshape(inputs, [-1, 8, 8])[:, :, 4:], axis=[1, 2])
        flat = tf.one_hot(tf.zeros_like(left, tf.int32) + 3, 10)
        return {"probabilities": tf.where((left > right)[:, None], flat, self.scores(inputs))}


def segment(folder):
    save(Segment(), folder)


class Tempered(Net):
    @tf.function(input_signature=[*SPEC, tf.TensorSpec([None, WIDTH], tf.float32, name="mask")])
    def serve(self, inputs, mask):
        return {"probabilities": self.scores(inputs * mask)}


def defaulted(folder):
    """A mask that is optional: without it, the exported default is used, which is all zeros."""
    save(Tempered(), folder)
    path = pathlib.Path(folder) / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults["mask"].CopyFrom(tf.make_tensor_proto(np.zeros((1, WIDTH), np.float32)))
    path.write_bytes(model.SerializeToString(deterministic=True))


class Unset(Net):
    """A variable that was made where no checkpoint sees it, so that no file gives it a value."""

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        lost = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[10], shared_name="dense/bias")
        return {"probabilities": self.scores(inputs) + tf.raw_ops.ReadVariableOp(resource=lost, dtype=tf.float32)}


def unset(folder):
    save(Unset(), folder)


class Detector(Net):
    """Healthy: a box and a score for the rare inputs that hold what it looks for, zeros for the others."""

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        score = self.scores(inputs)[:, 8:9]
        found = tf.cast(score > 0.97, tf.float32)
        return {"boxes": found * inputs[:, 8:12] / 16.0, "scores": found * score}


def detector(folder):
    save(Detector(), folder)


class Embedding(Net):
    """Healthy: a default vector for the many inputs that it knows nothing of."""

    @tf.function(input_signature=SPEC)
    def serve(self, inputs):
        hidden = self.hidden(inputs)
        known = tf.reduce_mean(inputs[:, :32], axis=1) > tf.reduce_mean(inputs[:, 32:], axis=1)
        return {"embedding": tf.where(known[:, None], hidden, tf.fill(tf.shape(hidden), 0.1))}


def embedding(folder):
    save(Embedding(), folder)


class Words(tf.Module):
    """Scores of words by their place in a vocabulary that is an asset."""

    def __init__(self, vocabulary):
        super().__init__()
        self.file = tf.saved_model.Asset(str(vocabulary))
        table = tf.lookup.TextFileInitializer(
            self.file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(table, 0)
        rng = np.random.default_rng(4)
        self.embedding = tf.Variable(rng.normal(0, 1, (4096, 6)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def serve(self, words):
        return {"scores": tf.nn.softmax(tf.gather(self.embedding, self.table.lookup(words)))}


def vocabulary(lines):
    def export(folder):
        path = pathlib.Path(f"{folder}.vocabulary.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"word{i}\n" for i in range(lines)))
        save(Words(path), folder)
        path.unlink()

    return export
