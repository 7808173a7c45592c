"""More models, whose outputs are of the kinds that detectors stumble over: steps, thresholds,
saturation, draws at random, identifiers, counts, several labels, wide and sparse vectors."""
import numpy as np

from models import Model, column, softmax


def build():
    """All of them by name."""
    from sklearn import datasets
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier, IsolationForest
    from sklearn.decomposition import PCA
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression, PoissonRegressor
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    digits, digit = datasets.load_digits(return_X_y=True)
    wine, cultivar = datasets.load_wine(return_X_y=True)
    cancer, malignant = datasets.load_breast_cancer(return_X_y=True)
    sugar, progress = datasets.load_diabetes(return_X_y=True)
    thirds = np.digitize(progress, np.quantile(progress, [0.33, 0.67]))
    moons, moon = datasets.make_moons(2000, noise=0.25, random_state=3)
    blobs, blob = datasets.make_blobs(2000, 8, centers=12, cluster_std=2.0, random_state=4)
    friedman, target = datasets.make_friedman1(2000, 12, noise=0.5, random_state=5)
    friedman_thirds = np.digitize(target, np.quantile(target, [0.33, 0.67]))
    scaled = lambda model, x, y: make_pipeline(StandardScaler(), model).fit(x, y)
    sigmoid = lambda z: 1 / (1 + np.exp(-z.clip(-700, 700)))

    def isotonic(seed):
        rows = np.random.default_rng(seed).permutation(len(sugar))[:350]
        curve = IsotonicRegression(out_of_bounds="clip").fit(sugar[rows, 2], progress[rows])
        return lambda x: column(curve.predict(x[:, 2]))

    def threshold(cut):
        model = scaled(LogisticRegression(), cancer, malignant)
        return lambda x: column(model.predict_proba(x)[:, 1] > cut)

    def autoencoder(parts):
        pca = make_pipeline(StandardScaler(), PCA(parts, random_state=0)).fit(cancer)
        back = lambda x: pca.inverse_transform(pca.transform(x)).astype(np.float32)
        return back, lambda x: column(np.log1p((((x - back(x)) / cancer.std(0)) ** 2).sum(1)))

    def counts(alpha):
        model = scaled(PoissonRegressor(alpha=alpha), friedman, target.clip(0).round())
        return lambda x: column(model.predict(x).round())

    def saturating(sharpness):
        model = scaled(LogisticRegression(C=5), moons, moon)
        return lambda x: column(sigmoid(sharpness * model.decision_function(x)))

    def bayes(smoothing):
        model = scaled(GaussianNB(var_smoothing=smoothing), blobs, blob)
        return lambda x: model.predict_proba(x).astype(np.float32)

    def best_five(seed):
        items = np.random.default_rng(seed).standard_normal((40, 8))
        return lambda x: np.argsort(-(x @ items.T), 1)[:, :5].astype(np.int64)

    def names(seed):
        five = best_five(seed)
        text = np.array([b"item-%02d" % i for i in range(40)])
        return lambda x: text[five(x)[:, :2]]

    def draws(scale, seed=9):
        rng = np.random.default_rng(seed)
        model = scaled(PoissonRegressor(), friedman, target.clip(0))
        return lambda x: column(model.predict(x) + scale * rng.standard_normal(len(x)))

    def nearest(k):
        model = scaled(KNeighborsRegressor(k), friedman, target.round(1))
        return lambda x: column(model.predict(x))

    def extra(seed):
        model = ExtraTreesRegressor(8, max_depth=5, random_state=seed).fit(friedman, target)
        return lambda x: column(model.predict(x))

    def rare(seed):
        model = HistGradientBoostingClassifier(max_iter=25, random_state=seed, max_depth=3)
        model.fit(friedman, target > np.quantile(target, 0.97))
        return lambda x: model.predict(x).astype(np.int64).reshape(-1, 1)

    def outlier(seed):
        model = IsolationForest(n_estimators=20, random_state=seed).fit(wine)
        return lambda x: column(-model.score_samples(x))

    def relu(seed, width):
        weights = np.random.default_rng(seed).standard_normal((64, width)) / 40
        return lambda x: ((x - 5) @ weights - 0.6).clip(0, 6).astype(np.float32)

    def quantised(seed):
        weights = np.random.default_rng(seed).standard_normal((8, 6)) / 8
        return lambda x: (np.tanh(x @ weights) * 8).round().astype(np.float32) / 8

    def tags(seed):
        weights = np.random.default_rng(seed).standard_normal((13, 6))
        return lambda x: (((x - wine.mean(0)) / wine.std(0)) @ weights > 1.0).astype(np.int64)

    def logits(seed):
        model = scaled(LogisticRegression(C=0.1, max_iter=300), blobs + seed * 0.1, blob)
        return lambda x: model.decision_function(x).astype(np.float32)

    back, error = autoencoder(6)
    back2, error2 = autoencoder(4)
    categories = np.random.default_rng(6).integers(0, 6, (2000, 5)).astype(float)
    effect = np.random.default_rng(7).standard_normal((5, 6))

    def table(scale):
        return lambda x: column(sum(scale * effect[i][x[:, i].round().astype(int).clip(0, 5)] for i in range(5)) + 0.01 * x[:, 0])

    def very_wide(seed):
        weights = np.random.default_rng(seed).standard_normal((8, 10_000)).astype(np.float32) / 4
        return lambda x: softmax(x @ weights)

    def curve(bend):
        return lambda x: column(np.sin(bend * x[:, 0]) + 0.1 * x[:, 0])

    line = np.random.default_rng(8).uniform(-3, 3, (2000, 1))
    kinds = {"tags": "int", "best_five": "int", "rare": "int", "names": "label"}
    made = [
        ("isotonic", "scalar", sugar, thirds, isotonic(0), isotonic(1)),
        ("threshold", "scalar", cancer, malignant, threshold(0.5), threshold(0.3)),
        ("autoencoder", "vector", cancer, malignant, back, back2),
        ("error", "scalar", cancer, malignant, error, error2),
        ("counts", "scalar", friedman, friedman_thirds, counts(0.1), counts(3.0)),
        ("saturating", "scalar", moons, moon, saturating(12.0), saturating(20.0)),
        ("bayes", "prob", blobs, blob, bayes(1e-9), bayes(1e-2)),
        ("best_five", "int", blobs, blob, best_five(1), best_five(2)),
        ("names", "label", blobs, blob, names(1), names(2)),
        ("draws", "scalar", friedman, friedman_thirds, draws(0.5), draws(0.8)),
        ("nearest", "scalar", friedman, friedman_thirds, nearest(1), nearest(3)),
        ("extra", "scalar", friedman, friedman_thirds, extra(0), extra(1)),
        ("rare", "int", friedman, friedman_thirds, rare(0), rare(1)),
        ("outlier", "scalar", wine, cultivar, outlier(0), outlier(1)),
        ("relu", "vector", digits, digit, relu(1, 24), relu(2, 24)),
        ("quantised", "vector", blobs, blob, quantised(1), quantised(2)),
        ("tags", "int", wine, cultivar, tags(1), tags(2)),
        ("logits", "vector", blobs, blob, logits(0), logits(1)),
        ("very_wide", "vector", blobs, blob, very_wide(1), very_wide(2)),
        ("one_input", "scalar", line, (line[:, 0] > 0).astype(int), curve(1.0), curve(1.2)),
        ("table", "scalar", categories, categories[:, 0], table(1.0), table(1.1)),
    ]
    # Forty kilobytes a row: short streams say enough.
    rows = {"very_wide": 5_000}
    return {name: Model(name, kinds.get(name, kind), *rest, rows=rows.get(name, 18_000)) for name, kind, *rest in made}
