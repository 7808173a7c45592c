"""Forwarding and observing under a CPU limit: a cgroup with a share of one core."""
import contextlib
import os
import pathlib

LIMITS = [0.2, 0.5, 1.0]
PERIOD = 100_000


@contextlib.contextmanager
def limited(pid, cores):
    """A CPU cgroup of either version around a process; yields whether there is one."""
    v1, v2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
    home = (v1 if v1.is_dir() else v2) / f"flatline-bench-{os.getpid()}"
    try:
        home.mkdir()
        if v1.is_dir():
            (home / "cpu.cfs_period_us").write_text(str(PERIOD))
            (home / "cpu.cfs_quota_us").write_text(str(int(PERIOD * cores)))
        else:
            (home / "cpu.max").write_text(f"{int(PERIOD * cores)} {PERIOD}")
        (home / "cgroup.procs").write_text(str(pid))
    except OSError:
        with contextlib.suppress(OSError):
            home.rmdir()
        yield False
        return
    try:
        yield True
    finally:
        (home.parent / "cgroup.procs").write_text(str(pid))
        home.rmdir()


def table(bench, flatline, verdicts, upstream):
    lines = [
        "Under a CPU limit, closed loop, 4 x 16: calls a second with every call observed as far as the analyzer keeps up, and the same past the tap.",
        "",
        "| cores | request | calls/s observed | calls/s past the tap | of Predict calls observed | rate at the end |",
        "|---|---|---|---|---|---|",
    ]
    # As many calls as take a second or two: many periods, or the first one's quota is all there is.
    for cores in LIMITS:
        for label, size, calls in (("128 B", 128, 80_000), ("16 kB", 16_000, 50_000)):
            speed = {}
            for path in ("/tensorflow.serving.PredictionService/Predict", "/any.Service/Call"):
                child, address = flatline(upstream)
                with limited(child.pid, cores) as works:
                    if not works:
                        child.terminate()
                        return "No writable CPU cgroup here: the figures under a CPU limit were not taken."
                    result = bench.load(address, size, 4, 16, int(calls * cores), path=path)
                    speed[path] = result["calls"] / result["seconds"]
                    if path.endswith("Predict"):
                        observed = verdicts(child)["observed"]
                        share, rate = observed["calls"] / result["calls"], observed.get("rate", 1.0)
                child.terminate()
                child.wait()
            watched, passed = speed.values()
            lines.append(f"| {cores} | {label} | {watched:.0f} | {passed:.0f} | {share:.0%} | {rate:.3f} |")
    return "\n".join(lines)
