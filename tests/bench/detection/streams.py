"""Labelled streams of served rows: healthy and odd traffic, and every fault, seeded.

A stream holds, row by row: `t` arrival in seconds, `req` number of the request (rows of a batch
share it), `ver` version, `lat` latency in milliseconds, `X` input, `Y` output as served, `altered`
whether a healthy model would have said something else. `meta` says what is true of it.
"""
import json
import zlib

import numpy as np

HEALTHY = ["healthy", "zipf", "bursty", "rollout", "rollback", "storm", "legit_cache", "input_collapse", "input_near",
           "mixshift", "newgroup", "drift", "sorted", "speedup", "corrbatch", "coarser", "slow", "pause", "clock_back", "restart",
           "restart_state"]
# What a fault is called; any of these is right.
FAULTS = {
    "const": ["constant"], "zeros": ["constant"], "cold_const": ["constant"], "flat_rollout": ["constant"],
    "nan": ["non_finite"], "inf": ["non_finite"],
    "noise6": ["near_constant"], "noise4": ["near_constant"], "noise3": ["near_constant"],
    "argmax": ["top1_constant"], "slowdrift": ["near_constant", "constant", "partial"],
    "coarse8": ["cache_like"], "coarse64": ["cache_like"], "ttl": ["cache_like", "stale"],
    "cache20": ["cache_like"], "cacheslow": ["cache_like"],
    "replica25": ["partial", "constant"], "seg5": ["partial", "constant"], "seg20": ["partial", "constant"],
    "seg50": ["partial", "constant"], "segnoise20": ["near_constant", "partial"],
    "lag1": ["lagged"], "bcast": ["rows_equal"],
    "two": ["partial", "constant", "non_finite"], "flapping": ["constant", "partial"], "slow_const": ["constant"],
    "pause_const": ["constant"], "back_const": ["constant"], "restart_const": ["constant"],
    "restart_state_const": ["constant"], "one_of_three": ["constant"],
}
SCENARIOS = HEALTHY + list(FAULTS)
# From one version to another.
ROLLOUTS = {"rollout", "rollback", "coarser", "flat_rollout"}


def applies(model, scenario):
    if model.rows <= 8_000:
        return scenario in ("healthy", "rollout", "const", "cold_const", "nan", "noise4", "seg50", "bcast", "flat_rollout")
    if scenario in ("sorted", "drift") and model.name == "table":
        return False
    if scenario in ("nan", "inf", "noise6", "noise4", "noise3", "segnoise20", "two"):
        return model.kind not in ("int", "label")
    if scenario == "zeros":
        return model.kind != "label"
    if scenario in ("argmax", "coarser"):
        return model.kind == "prob" if scenario == "argmax" else model.kind in ("scalar", "vector", "prob")
    return scenario not in ("slow", "slow_const") or model.rows >= 18_000


class Traffic:
    """Which inputs come when: fresh ones, hot keys, retries and replays, in batches."""

    def __init__(self, model, scenario, rng, seed, n):
        self.rng = rng
        share = [0.05, 0.0, 0.2, 0.35, 0.5][seed % 5]
        share = {"zipf": 0.5, "legit_cache": max(share, 0.35)}.get(scenario, share)
        batches = [[1, 1, 1, 2, 4, 8, 16, 32], [1], [4, 8, 16, 32]][(seed + zlib.crc32(model.name.encode())) % 3]
        batches = [4, 8, 16, 32] if scenario in ("corrbatch", "bcast") else batches
        batches = [1] if scenario.startswith("slow") and scenario != "slowdrift" else batches
        # Short streams need most of their rows to learn from.
        first, last = (n * 4 // 9, n * 5 // 9) if n > 8000 else (n * 3 // 4, n * 4 // 5)
        share = share if n > 8000 else min(share, 0.05)
        self.onset = 0 if scenario == "cold_const" else int(rng.integers(first, last))
        popular = 1 / np.arange(1, 501) ** 1.1
        popular /= popular.sum()
        source, request, sent, fresh = [], [], [], 0
        while len(source) < n:
            size = batches[rng.integers(len(batches))]
            if scenario == "bursty" and len(source) // 1500 % 3 == 1:
                size = [1, 32][rng.integers(2)]
            storm = scenario == "storm" and self.onset <= len(source) < self.onset + 3000
            if sent and rng.random() < (0.9 if storm else share * 0.4):
                rows = sent[-1 - rng.integers(min(len(sent), 2000 if storm else 20))]
            else:
                hot = rng.random(size) < share * 0.6
                rows = [int(-1 - rng.choice(500, p=popular)) if h else (fresh := fresh + 1) for h in hot]
            source += rows
            request += [len(sent)] * len(rows)
            sent.append(rows)
        self.request = np.array(request[:n], np.int32)
        self.rows = np.arange(n)
        _, self.first, self.distinct = np.unique(source[:n], return_index=True, return_inverse=True)
        # A reply is of one version.
        while scenario in ROLLOUTS and self.request[self.onset] == self.request[self.onset - 1]:
            self.onset += 1
        self.calls = int(self.request[-1]) + 1
        self.start = np.flatnonzero(np.r_[True, np.diff(self.request) > 0])
        self.sizes = np.diff(np.r_[self.start, n])
        self.after = self.rows >= self.onset

    def inputs(self, model, scenario):
        rng, late = self.rng, self.first >= self.onset
        x = model.inputs(rng, len(self.first))
        if scenario in ("mixshift", "newgroup"):
            group = model.groups == rng.choice(np.unique(model.groups))
            if scenario == "mixshift":
                moved = late & (rng.random(len(x)) < 0.6)
                weights = group.astype(float)
            else:
                moved, weights = ~late, (~group).astype(float)
            x[moved] = model.inputs(rng, int(moved.sum()), weights / weights.sum())
        if scenario == "corrbatch":
            base = model.inputs(rng, self.calls)[self.request[self.first]]
            x[late] = (base + 0.35 * (x - base))[late]
        if scenario == "drift":
            # All inputs move slowly, by one standard deviation in the end.
            moved = ((self.first - self.onset) / (len(self.rows) - self.onset)).clip(0, 1)
            x += (moved[:, None] * model.deviation * rng.choice([-1, 1], x.shape[1])).astype(np.float32)
        if scenario == "sorted":
            # A batch job goes through its rows in order.
            order = np.flatnonzero(late)
            order = order[np.argsort(self.first[order])]
            x[order] = x[order[np.argsort(model.along(x[order])[:, 0])]]
        x = x[self.distinct]
        if scenario in ("input_collapse", "input_near"):
            hit = self.after & (rng.random(len(x)) < 0.97)
            count, one = int(hit.sum()), x[rng.integers(len(x))].copy()
            ids = rng.permutation(x[:, 0])[np.arange(count) % len(x)]
            x[hit] = one
            if scenario == "input_near":
                x[hit] += (1e-6 * model.deviation * rng.standard_normal((count, x.shape[1]))).astype(np.float32)
                x[hit, 0] = ids
        return x

    def times(self, scenario):
        """Arrival of each call in seconds, and how loaded the server is."""
        rng, calls = self.rng, self.calls
        load = 1 + 0.6 * np.sin(2 * np.pi * np.arange(calls) / calls + rng.uniform(0, 6.28))
        for _ in range(4 if scenario == "bursty" else 1):
            at = int(rng.integers(calls))
            load[at : at + max(10, calls // 40)] *= 5
        rate = 0.2 if scenario.startswith("slow") and scenario not in ("slowdrift",) else 50
        times = np.cumsum(rng.exponential(1, calls) / (rate * load))
        at = self.request[min(self.onset, len(self.rows) - 1)]
        if scenario.startswith("pause"):
            times[at:] += 3600
        if scenario in ("clock_back", "back_const"):
            times[at:] -= 600
        return times, load / load.mean()


def make(model, scenario, seed, rows=None):
    """One stream, of as many rows as its model says unless told."""
    rng = np.random.default_rng([zlib.crc32(model.name.encode()), zlib.crc32(scenario.encode()), seed, 77])
    traffic = Traffic(model, scenario, rng, seed, rows or model.rows)
    x = traffic.inputs(model, scenario)
    true = model.serve(x)
    served, version, hit = true.copy(), np.ones(len(x), np.int8), np.zeros(len(x), bool)
    times, load = traffic.times(scenario)
    fault(model, scenario, traffic, x, true, served, version, hit, times)
    lat = latencies(scenario, traffic, hit, load)
    is_fault = scenario in FAULTS
    same = (served == true) | ((served != served) & (true != true)) if model.kind != "label" else served == true
    altered = traffic.after & ~same.all(1) & is_fault
    meta = dict(family=model.name, scenario=scenario, seed=seed, kind=model.kind, fault=is_fault,
                onset=traffic.onset if is_fault else -1, right=FAULTS.get(scenario, []),
                restart=int(traffic.onset) if scenario.startswith("restart") else None,
                state="state" in scenario, collapsed="y" if scenario == "one_of_three" else None,
                altered_share=float(altered[traffic.onset :].mean()) if is_fault else 0.0)
    return dict(t=times[traffic.request], req=traffic.request, ver=version, lat=lat[traffic.request].astype(np.float32),
                X=x.astype(np.float32), Y=served, altered=altered, meta=meta, extra=beside(model, scenario, x, true))


def beside(model, scenario, x, true):
    """Two more outputs that stay healthy."""
    if scenario != "one_of_three":
        return {}
    return {"a": true, "z": model.along(x).astype(np.float32)}


def fault(model, scenario, traffic, x, true, served, version, hit, times):
    """Does to the replies what the scenario says."""
    rng, after, n = traffic.rng, traffic.after, len(x)
    one = true[int(rng.integers(traffic.onset or n))].copy()
    numeric = model.kind not in ("int", "label")
    spread = float(np.std(true[:4000])) if numeric else 1.0
    scale = spread if model.kind == "scalar" and spread > 2 else 1.0
    along = model.along(x)

    def cells(first, second=1):
        cut = lambda axis, m: np.digitize(along[:, axis], np.quantile(along[:4000, axis], np.linspace(0, 1, m + 1)[1:-1]))
        return cut(0, first) * second + (cut(1, second) if second > 1 else 0)

    def cache(keys, on, lifetime=None):
        stored, at = {}, times[traffic.request]
        for i in np.flatnonzero(on):
            entry = stored.get(keys[i])
            if entry and (lifetime is None or at[i] - entry[1] < lifetime):
                served[i], hit[i] = entry[0], True
            else:
                stored[keys[i]] = (true[i].copy(), at[i])

    def segment(share):
        low = rng.uniform(0.05, 0.95 - share)
        a, b = np.quantile(along[:4000, 0], [low, low + share])
        return after & (along[:, 0] >= a) & (along[:, 0] < b)

    noisy = lambda rows, size: (one + size * rng.standard_normal((int(rows.sum()), true.shape[1]))).astype(true.dtype)
    if scenario in ("const", "cold_const", "slow_const", "pause_const", "back_const", "restart_const",
                    "restart_state_const", "one_of_three"):
        served[after] = one
    elif scenario == "flat_rollout":
        served[after], version[after] = one, 2
    elif scenario == "zeros":
        served[after] = 0
    elif scenario in ("nan", "inf"):
        served[after] = np.float32(scenario)
    elif scenario.startswith("noise"):
        served[after] = noisy(after, 10.0 ** -int(scenario[5]) * scale)
    elif scenario == "argmax":
        top = np.zeros(true.shape[1], true.dtype)
        top[rng.integers(len(top))] = 1
        served[after] = 0.35 * served[after] + 0.65 * top
    elif scenario == "slowdrift":
        share = np.clip((traffic.rows - traffic.onset) / 5000, 0, 1)[:, None]
        if numeric:
            served[after] = ((1 - share) * true + share * one)[after].astype(true.dtype)
        else:
            served[after & (rng.random(n) < share[:, 0])] = one
    elif scenario == "coarse8":
        cache(cells(8), after)
    elif scenario in ("coarse64", "cacheslow"):
        cache(cells(8, 8), after)
    elif scenario == "ttl":
        cache(cells(8), after, 300 * times[-1] / n)
    elif scenario == "cache20":
        cache(cells(8, 8), after & (rng.random(traffic.calls) < 0.2)[traffic.request])
    elif scenario == "legit_cache":
        known = set()
        for i in range(n):
            hit[i] = traffic.distinct[i] in known
            if after[i]:
                known.add(traffic.distinct[i])
    elif scenario == "replica25":
        served[after & (rng.random(traffic.calls) < 0.25)[traffic.request]] = one
    elif scenario in ("seg5", "seg20", "seg50"):
        served[segment(int(scenario[3:]) / 100)] = one
    elif scenario == "segnoise20":
        rows = segment(0.2)
        served[rows] = noisy(rows, 1e-4 * scale)
    elif scenario == "lag1":
        served[traffic.onset :] = true[traffic.onset - 1 : -1]
    elif scenario == "bcast":
        served[after] = true[traffic.start[traffic.request]][after]
    elif scenario == "two":
        served[segment(0.2)] = one
        served[after & (rng.random(n) < 0.05)] = np.nan
    elif scenario == "flapping":
        served[after & ((traffic.rows - traffic.onset) // 800 % 2 == 0)] = one
    elif scenario in ("rollout", "coarser", "rollback"):
        back = traffic.onset + (n - traffic.onset) // 2 if scenario == "rollback" else n
        new = after & (traffic.start[traffic.request] < back)
        version[new] = 2
        served[new] = true[new].round(1 if scale == 1 else -1) if scenario == "coarser" else model.retrained(x[new])


def latencies(scenario, traffic, hit, load):
    rng, sizes = traffic.rng, traffic.sizes
    compute = 4 * (1 + 0.25 * (load - 1).clip(-0.5, 2)) * (0.7 + 0.04 * sizes) * rng.lognormal(0, 0.25, traffic.calls)
    from_cache = 0.35 * (1 + 0.01 * sizes) * rng.lognormal(0, 0.3, traffic.calls)
    missed = np.add.reduceat((~hit).astype(int), traffic.start)
    lat = np.where(missed == 0, from_cache, compute * (0.7 + 0.04 * missed.clip(1)) / (0.7 + 0.04 * sizes))
    late = traffic.start >= traffic.onset
    if scenario == "cacheslow":
        lat = compute
    return np.where(late, lat * {"speedup": 0.3, "rollout": 0.7}.get(scenario, 1), lat)


def write(stream, path):
    """As an FLS1 file: `FLS1`, a line of JSON that describes the arrays, the arrays."""
    arrays, blobs, offset = [], [], 0
    for name in ("t", "req", "ver", "lat", "X", "Y", "altered"):
        array = np.ascontiguousarray(stream[name])
        arrays.append(dict(name=name, dtype=array.dtype.str, shape=array.shape, offset=offset))
        blobs.append(array.tobytes())
        offset += len(blobs[-1])
    with open(path, "wb") as file:
        file.write(b"FLS1\n" + json.dumps(dict(meta=stream["meta"], arrays=arrays)).encode() + b"\n")
        file.writelines(blobs)
