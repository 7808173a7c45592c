"""Streams of somebody else's generator: FLS1 files, or a `corpus.py` that exports them.

The seeds are fixed here, so that figures can be had again without any data being checked in."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SEEDS = "0,1,2"
# What that generator calls the causes, and what they are called here.
KINDS = {
    "constant": ["constant", "partial"], "nonfinite": ["non_finite"], "near-constant": ["near_constant"],
    "argmax": ["top1_constant"], "cache-like": ["cache_like"], "lagged": ["lagged"],
}
SPECIAL = {"bcast": ["rows_equal"], "ttl": ["cache_like", "stale"], "segnoise20": ["near_constant", "partial"],
           "slowdrift": ["near_constant", "constant", "partial"]}


def files(path):
    """FLS1 files below a folder, or exported by a script first."""
    path = pathlib.Path(path)
    if path.suffix != ".py":
        found = sorted(path.glob("*.fls"))
        if not found:
            sys.exit(f"{path}: no *.fls file in it; expected what `corpus.py export DIR` writes")
        return found
    folder = pathlib.Path(tempfile.mkdtemp(prefix="flatline-corpus-"))
    subprocess.run([sys.executable, str(path), "export", str(folder), "all", "all", SEEDS], check=True)
    return sorted(folder.glob("*.fls"))


def load(path):
    with open(path, "rb") as file:
        if file.readline() != b"FLS1\n":
            sys.exit(f"{path}: not an FLS1 file: it does not begin with `FLS1`")
        header = json.loads(file.readline())
        data = file.read()
    stream = {
        a["name"]: np.frombuffer(data, np.dtype(a["dtype"]), int(np.prod(a["shape"])), a["offset"]).reshape(a["shape"])
        for a in header["arrays"]
    }
    meta = header["meta"]
    right = meta.get("right") or SPECIAL.get(meta["scenario"]) or KINDS.get(meta.get("cause"), [])
    return dict(stream, meta=dict(meta, right=right))
