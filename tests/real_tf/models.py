"""Three small models, trained here and exported as SavedModels into numbered version folders.

digits      class scores (softmax) of handwritten digits
diabetes    one regression value
digit_id    the digit itself: a model that legitimately has ten outputs

Data: scikit-learn's bundled sets (load_digits, load_diabetes).
"""
import functools
import pathlib
import sys

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_diabetes, load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

HELD_OUT = 500


class Network(tf.Module):
    """A trained scikit-learn network as a TensorFlow graph."""

    def __init__(self, network, mean, scale, head):
        super().__init__()
        self.weights = [tf.Variable(w.astype(np.float32)) for w in network.coefs_]
        self.biases = [tf.Variable(b.astype(np.float32)) for b in network.intercepts_]
        self.mean = tf.constant(mean.astype(np.float32))
        self.scale = tf.constant(scale.astype(np.float32))
        self.head = head
        width = len(mean)
        self.serve = tf.function(
            self._serve, input_signature=[tf.TensorSpec([None, width], tf.float32, name="inputs")]
        )

    def _serve(self, inputs):
        hidden = (inputs - self.mean) / self.scale
        for w, b in zip(self.weights[:-1], self.biases[:-1]):
            hidden = tf.nn.relu(hidden @ w + b)
        return self.head(hidden @ self.weights[-1] + self.biases[-1])


def digits():
    inputs, labels = load_digits(return_X_y=True)
    network = MLPClassifier(hidden_layer_sizes=(32,), alpha=0.1, max_iter=120, random_state=0)
    network.fit(inputs[:-HELD_OUT] / 16, labels[:-HELD_OUT])
    return network, np.zeros(64), np.full(64, 16.0)


def diabetes():
    inputs, targets = load_diabetes(return_X_y=True, scaled=False)
    scaler = StandardScaler().fit(inputs)
    network = MLPRegressor(hidden_layer_sizes=(16,), alpha=0.1, max_iter=400, random_state=0)
    network.fit(scaler.transform(inputs)[:-100], targets[:-100])
    return network, scaler.mean_, scaler.scale_


@functools.cache
def held_out(model):
    """Rows that the model was not trained on."""
    if model == "diabetes":
        return load_diabetes(return_X_y=True, scaled=False)[0][-100:].astype(np.float32)
    return load_digits(return_X_y=True)[0][-HELD_OUT:].astype(np.float32)


def fresh(model, rng, rows):
    """Held-out rows blended with each other, so that every row is new."""
    base = held_out(model)
    a, b = base[rng.integers(len(base), size=rows)], base[rng.integers(len(base), size=rows)]
    return (a + rng.uniform(0, 0.4, (rows, 1)) * (b - a)).astype(np.float32)


def build(folder):
    folder = pathlib.Path(folder)
    scores = Network(*digits(), lambda z: {"probabilities": tf.nn.softmax(z)})
    number = Network(*diabetes(), lambda z: {"progression": z})
    digit = Network(*digits(), lambda z: {"digit": tf.argmax(z, axis=1)})
    for name, network in (("digits", scores), ("diabetes", number), ("digit_id", digit)):
        tf.saved_model.save(network, str(folder / name / "1"), signatures={"serving_default": network.serve})


if __name__ == "__main__":
    build(sys.argv[1])
