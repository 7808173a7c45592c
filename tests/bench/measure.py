"""Runs load against a proxy and reads from /proc what that cost it."""
import glob
import json
import os
import subprocess

from peers import pinned

PROXY_CORE, LOAD_CORE = 0, 1


def started(command, core):
    """A program that prints where it listens as the last word of its first line."""
    child = pinned(core, command, stdout=subprocess.PIPE, text=True)
    return child, child.stdout.readline().split()[-1]


def family(pid):
    """The process and all below it: nginx works in a child."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path) as children:
            for child in children.read().split():
                found += family(int(child))
    return found


def cpu_seconds(pids):
    """User and system time of all threads, to the nanosecond."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path) as stat:
                    total += int(stat.read().split()[0])
            except FileNotFoundError:
                pass
    return total / 1e9


def resident(pids):
    """MiB."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            total += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total / 1024


class Bench:
    """The programs that were built, and the load on their core."""

    def __init__(self, tool, extra=()):
        self.tool, self.extra = tool, list(extra)

    def load(self, address, size, connections, streams, calls, **more):
        """One run of the load generator; its line of JSON."""
        command = [self.tool, "load", address, "--size", size, "--connections", connections, "--streams", streams, "--calls", calls]
        for flag, value in more.items():
            command += [f"--{flag}", value]
        load = pinned(LOAD_CORE, command + self.extra, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, complaint = load.communicate(timeout=600)
        if load.returncode:
            raise RuntimeError(f"load on {address} failed: {complaint[-400:]}")
        return json.loads(out)

    def cost(self, pids, address, *shape, **more):
        """CPU microseconds a call of the proxy, with what the load saw."""
        before = cpu_seconds(pids)
        result = self.load(address, *shape, **more)
        result["cpu_us"] = (cpu_seconds(pids) - before) / result["calls"] * 1e6 if pids else None
        return result


def machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release}"
