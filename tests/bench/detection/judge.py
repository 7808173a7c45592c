"""Takes streams through the real `flatline analyze` and says what it found, and when."""
import json
import os
import subprocess
import tempfile

import numpy as np

import records

# Faults that change fewer rows than this are none: nobody could tell.
LEAST_SHARE = 0.02
# Calls left out on purpose: a first request that comes again at once, and one that comes by the clock.
LEFT_OUT = {"warm_up", "probe"}


def analyze(binary, files, *flags):
    command = [binary, "analyze", "--format", "json", *flags, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command}: {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def alarms(report, stream):
    """Every step to firing: row of the stream, kind, output."""
    rows = {int(v): np.flatnonzero(stream["ver"] == v) for v in np.unique(stream["ver"])}
    found = []
    for step in report["transitions"]:
        if step["to"] == "firing":
            mine = rows[step["version"]]
            found.append((int(mine[min(step["rows"], len(mine)) - 1]), step["kind"], step["output"]))
    return sorted(found)


def parts(stream):
    """The stream as processes see it: a restart without state begins anew."""
    at = stream["meta"].get("restart")
    n = len(stream["req"])
    if at is None:
        return [(0, n)]
    while 0 < at < n and stream["req"][at] == stream["req"][at - 1]:
        at += 1
    return [(0, at), (at, n)]


def judge(binary, stream):
    """One result: a flat dict."""
    meta, found, named = stream["meta"], [], []
    with tempfile.TemporaryDirectory(prefix="flatline-bench-") as folder:
        learned = os.path.join(folder, "state")
        for number, (a, b) in enumerate(parts(stream)):
            path = os.path.join(folder, f"{number}.tfrecord")
            whole = (a, b) == (0, len(stream["req"]))
            records.write(stream, path, slice(None) if whole else slice(a, b))
            flags = []
            if meta.get("state"):
                flags = ["--learn", learned] if number == 0 else ["--state-dir", learned]
            report = analyze(binary, [path], *flags)
            part = {"ver": stream["ver"][a:b]}
            found += [(row + a, kind, output) for row, kind, output in alarms(report, part)]
            os.unlink(path)
        firing = [s for s in report["series"] if s["state"] == "firing"]
        named = [s["kind"] for s in firing]
    return score(meta, found, named, len(stream["req"]), report)


def score(meta, found, named, rows, report):
    onset = meta["onset"] if meta["fault"] else rows
    right = meta.get("right", [])
    true = meta["fault"] and meta["altered_share"] >= LEAST_SHARE
    early = [f for f in found if f[0] < onset]
    after = [f for f in found if f[0] >= onset]
    wrong_output = [f for f in after if meta.get("collapsed") and f[2] != meta["collapsed"]]
    clean = true and bool(after) and not early and not wrong_output
    return dict(
        family=meta["family"], scenario=meta["scenario"], seed=meta["seed"], rows=rows, fault=bool(true),
        counted=bool(true or not meta["fault"]), false_alarms=len(early) + len(wrong_output), clean=clean,
        delay=after[0][0] - onset if clean else None, kind=after[0][1] if clean else None,
        right=bool(clean and after[0][1] in right), finally_right=bool(clean and (named or [after[0][1]])[0] in right),
        alarms=len(after), found=[list(f) for f in found[:4]],
        skipped=sum(n for reason, n in report["observed"]["skipped"].items() if reason not in LEFT_OUT),
    )
