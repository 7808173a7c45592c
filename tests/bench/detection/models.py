"""Small real models that the streams are served from: data that scikit-learn ships, models trained
on it here, and some built from random weights. Each has outputs of another kind."""
import numpy as np


class Model:
    """A model with its traffic. `serve` takes inputs (n, d) and gives outputs (n, k); `kind` is
    prob | scalar | int | vector | label; `groups` labels the data, for traffic that shifts."""

    def __init__(self, name, kind, data, groups, serve, retrained, rows=18_000):
        self.name, self.kind, self.rows = name, kind, rows
        self.data, self.groups = data.astype(np.float32), groups
        self.serve, self.retrained = serve, retrained
        self.deviation = self.data.std(0) + 1e-9
        centred = (self.data - self.data.mean(0)) / self.deviation
        axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
        self.axes = np.r_[axes, np.zeros((2 - len(axes), axes.shape[1]))]

    def inputs(self, rng, n, weights=None):
        """Fresh inputs: a point between two of one group, and noise."""
        first = rng.choice(len(self.data), n, p=weights)
        other = first.copy()
        for group in np.unique(self.groups):
            chosen = self.groups[first] == group
            other[chosen] = rng.choice(np.flatnonzero(self.groups == group), chosen.sum())
        mix = rng.uniform(0, 0.5, (n, 1))
        between = self.data[first] + mix * (self.data[other] - self.data[first])
        return (between + 0.05 * self.deviation * rng.standard_normal(between.shape)).astype(np.float32)

    def along(self, x):
        """Inputs along the two main axes of the data, by which segments and cache keys are cut."""
        return ((x - self.data.mean(0)) / self.deviation) @ self.axes.T


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


def column(y):
    return np.asarray(y, np.float32).reshape(len(y), -1)


def build():
    """All models by name."""
    from sklearn import datasets
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    scaled = lambda model, x, y: make_pipeline(StandardScaler(), model).fit(x, y)
    digits, digit = datasets.load_digits(return_X_y=True)
    wine, cultivar = datasets.load_wine(return_X_y=True)
    cancer, malignant = datasets.load_breast_cancer(return_X_y=True)
    sugar, progress = datasets.load_diabetes(return_X_y=True)
    thirds = np.digitize(progress, np.quantile(progress, [0.33, 0.67]))
    iris, species = datasets.load_iris(return_X_y=True)
    rng = np.random.default_rng(5)

    def hidden(seed, width):
        net = MLPClassifier((width,), activation="tanh", random_state=seed, max_iter=40, alpha=1e-2)
        net.fit(digits / 16, digit)
        layer = lambda x: np.tanh(x / 16 @ net.coefs_[0] + net.intercepts_[0])
        return net, layer

    (net, layer), (net2, layer2) = hidden(0, 48), hidden(1, 48)
    unit = lambda h: (h / np.linalg.norm(h, axis=1, keepdims=True)).astype(np.float32)

    def knn(neighbours):
        model = scaled(KNeighborsClassifier(neighbours), wine, cultivar)
        return lambda x: model.predict_proba(x).astype(np.float32)

    def fraud(c, cut):
        model = scaled(LogisticRegression(C=c), cancer, malignant)
        curve = IsotonicRegression(out_of_bounds="clip").fit(model.decision_function(cancer), malignant)
        smooth = lambda x: 0.7 * curve.predict(model.decision_function(x)) + 0.3 / (1 + np.exp(-model.decision_function(x)))
        return lambda x: column(np.where(smooth(x) < cut, 0.0, smooth(x)))

    def ridge(alpha, after):
        model = scaled(Ridge(alpha), sugar, progress)
        return lambda x: column(after(model.predict(x)))

    def trees(seed):
        forest = RandomForestClassifier(5, max_depth=3, random_state=seed).fit(iris, species)
        return lambda x: forest.predict_proba(x).astype(np.float32)

    def boosted(seed):
        model = GradientBoostingRegressor(n_estimators=40, random_state=seed, subsample=0.8).fit(sugar, progress)
        return lambda x: column(model.predict(x))

    def leaves(seed):
        tree = DecisionTreeClassifier(max_depth=4, random_state=seed, max_features=0.7).fit(wine, cultivar)
        return lambda x: tree.predict_proba(x).astype(np.float32)

    def labels(model):
        names = np.array([b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"])
        return lambda x: names[model.predict(x / 16)].reshape(-1, 1)

    def linear(seed, width, squash):
        weights = np.random.default_rng(seed).standard_normal((64, width)) / 32
        return lambda x: squash(x @ weights)

    sigmoid = lambda z: (1 / (1 + np.exp(-z))).astype(np.float32)
    items = rng.standard_normal((300, 13))
    items2 = items + 0.3 * rng.standard_normal(items.shape)
    item = lambda v: lambda x: (((x - wine.mean(0)) / wine.std(0)) @ v.T).argmax(1).reshape(-1, 1).astype(np.int64) * 31 + 1000
    with_id = np.c_[sugar, rng.permutation(100 * len(sugar))[: len(sugar)] / 100]
    without = lambda serve: lambda x: serve(x[:, :-1])

    return {
        model.name: model
        for model in [
            Model("wine_knn", "prob", wine, cultivar, knn(15), knn(9)),
            Model("fraud", "scalar", cancer, malignant, fraud(0.05, 0.3), fraud(1.0, 0.4)),
            Model("reco", "int", wine, cultivar, item(items), item(items2)),
            Model("embed", "vector", digits, digit, lambda x: unit(layer(x)), lambda x: unit(layer2(x))),
            Model("rounded", "scalar", sugar, thirds, ridge(1.0, lambda y: y.round(0)), ridge(9.0, lambda y: y.round(0))),
            Model("clipped", "scalar", sugar, thirds, ridge(1.0, lambda y: ((y - 90) / 130).clip(0, 1)), ridge(9.0, lambda y: ((y - 95) / 120).clip(0, 1))),
            Model("forest", "prob", iris, species, trees(0), trees(1)),
            Model("leaves", "prob", wine, cultivar, leaves(0), leaves(1)),
            Model("with_id", "scalar", with_id, thirds, without(boosted(0)), without(boosted(1))),
            Model("labels", "label", digits, digit, labels(net), labels(net2)),
            Model("multilabel", "vector", digits, digit, linear(2, 5, sigmoid), linear(3, 5, sigmoid)),
            Model("wide", "vector", digits, digit, linear(4, 400, softmax), linear(5, 400, softmax), rows=9_000),
        ]
    }
