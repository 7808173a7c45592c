"""What off-the-shelf detectors say of the same streams, at the defaults of their library.

ADWIN and Page-Hinkley (river) watch two numbers a row: whether the output came among the last
1,000, and the mean of the output. The naive ratio alarms when 1,000 rows hold fewer distinct
outputs than a tenth of their distinct inputs."""
from collections import Counter, deque

import numpy as np

WINDOW = 1000
NAMES = ["ADWIN, repetition", "ADWIN, mean", "Page-Hinkley, repetition", "Page-Hinkley, mean", "distinct ratio < 0.1"]


def keys(array):
    """A key for each row."""
    array = np.ascontiguousarray(array)
    width = array.dtype.itemsize * array.shape[1]
    data = array.tobytes()
    return [hash(data[i : i + width]) for i in range(0, len(data), width)]


def numbers(stream, outputs):
    repeated, last, counts = [], deque(), Counter()
    for key in outputs:
        repeated.append(float(counts[key] > 0))
        last.append(key)
        counts[key] += 1
        if len(last) > WINDOW:
            counts[last.popleft()] -= 1
    if stream["Y"].dtype.kind == "S":
        mean = np.array([hash(key) % 97 for key in outputs], float)
    else:
        mean = np.nan_to_num(stream["Y"].astype(float), posinf=1e9, neginf=-1e9).mean(1)
    return repeated, mean.tolist()


def first_alarms(detector, values):
    found = []
    for row, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(row)
    return found


def ratio(inputs, outputs):
    found, held = [], deque()
    ins, outs = Counter(), Counter()
    alarmed = False
    for row, (x, y) in enumerate(zip(inputs, outputs)):
        held.append((x, y))
        ins[x] += 1
        outs[y] += 1
        if len(held) > WINDOW:
            for counts, key in zip((ins, outs), held.popleft()):
                counts[key] -= 1
                if not counts[key]:
                    del counts[key]
        low = len(held) == WINDOW and len(outs) < 0.1 * len(ins)
        if low and not alarmed:
            found.append(row)
        alarmed = low
    return found


def judge(stream):
    """Alarms of each detector before the onset, and whether one came after it and none before."""
    from river.drift import ADWIN, PageHinkley

    inputs, outputs = keys(stream["X"]), keys(stream["Y"])
    repeated, mean = numbers(stream, outputs)
    alarms = [
        first_alarms(ADWIN(), repeated), first_alarms(ADWIN(), mean),
        first_alarms(PageHinkley(), repeated), first_alarms(PageHinkley(), mean), ratio(inputs, outputs),
    ]
    onset = stream["meta"]["onset"] if stream["meta"]["fault"] else len(inputs)
    before = [sum(row < onset for row in rows) for rows in alarms]
    clean = [bool(rows) and not early for rows, early in zip(alarms, before)]
    return dict(zip(NAMES, zip(before, clean)))
