"""Measures what a call costs through each peer; started by tests/bench/compare."""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import urllib.request

import growth
import peers
import pressure
import report
from measure import PROXY_CORE, Bench, machine, resident, started, family, LOAD_CORE

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "target/release/flatline-bench"
FLATLINE = ROOT / "target/release/flatline"
#     label            bytes  connections streams calls
ROWS = [
    ("128 B, 1 x 1", 128, 1, 1, 6000),
    ("128 B, 4 x 16", 128, 4, 16, 24000),
    ("16 kB, 1 x 1", 16_000, 1, 1, 5000),
    ("16 kB, 4 x 16", 16_000, 4, 16, 16000),
    ("602 kB, 1 x 1", 602_112, 1, 1, 1000),
    ("602 kB, 4 x 2", 602_112, 4, 2, 1200),
]


def flatline(upstream, core=PROXY_CORE, *flags):
    command = [FLATLINE, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream, *flags]
    child, address = started(command, core)
    child.stdout.readline()
    child.admin = child.stdout.readline().split()[-1]
    return child, address


def verdicts(child):
    return json.load(urllib.request.urlopen(f"{child.admin}/api/v1/verdicts"))


def rows(bench, targets, rounds, part):
    """Every row, rounds in turn over all targets."""
    found = {}
    for label, size, connections, streams, calls in ROWS:
        found[label] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (pids, address) in targets.items():
                found[label][name].append(bench.cost(pids, address, size, connections, streams, max(calls // part, 100)))
    return found


def tails(bench, targets, found, rounds, seconds):
    """p99 at 70 % of Flatline's own peak, calls due at fixed times whatever the proxy does."""
    peak = report.median([run["calls"] / run["seconds"] for run in found["128 B, 4 x 16"]["Flatline"]])
    rate = int(0.7 * peak)
    late = {name: [] for name in targets}
    for _ in range(rounds):
        for name, (_, address) in targets.items():
            late[name].append(bench.load(address, 128, 4, 64, int(rate * seconds), rate=rate)["p99_us"])
    lines = [f"p99 at {rate} calls a second, which is 70 % of Flatline's peak, 128 B, from when each call was due:", ""]
    lines += ["| " + " | ".join(late) + " |", "|---" * len(late) + "|"]
    lines.append("| " + " | ".join(f"{report.median(l):.0f} ({min(l):.0f}-{max(l):.0f})" for l in late.values()) + " |")
    return "\n".join(lines)


def stripped_size():
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copy(FLATLINE, copy.name)
        subprocess.run(["strip", copy.name], check=True)
        return os.path.getsize(copy.name) / 1e6


def start_times(upstream, count):
    """Milliseconds from the start of the process to the first reply through it."""
    times = []
    for _ in range(count):
        command = ["taskset", "-c", str(PROXY_CORE), TOOL, "start", FLATLINE, upstream]
        times.append(json.loads(subprocess.run(list(map(str, command)), capture_output=True, check=True).stdout)["ms"])
    return times


def memory(bench, child, address, seconds):
    """MiB under 602 kB calls, 4 x 2: one figure every few calls until the time is over."""
    import time

    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        load = peers.pinned(LOAD_CORE, [TOOL, "load", address, "--size", 602_112, "--connections", 4, "--streams", 2, "--calls", 2000], stdout=subprocess.DEVNULL)
        while load.poll() is None:
            seen.append(resident([child.pid]))
            time.sleep(0.05)
    return seen


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds of a few calls; under three minutes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", help="only these, by name, separated by commas")
    parser.add_argument("--unobserved", action="store_true", help="call a method that the tap passes by: forwarding alone")
    parser.add_argument("--rows-only", action="store_true", help="the first table and nothing else")
    parser.add_argument("--soak", type=float, default=5.0, metavar="SECONDS", help="how long memory is watched under load")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / ".cache/bench", help="folder for CSV, plots and the page itself")
    args = parser.parse_args()
    setups = {"TCP relay": peers.tcp_relay, "HAProxy": peers.haproxy, "nginx": peers.nginx_grpc, "Envoy": peers.envoy}
    wanted = list(filter(None, args.peers.split(","))) if args.peers is not None else list(setups)
    if unknown := set(wanted) - set(setups):
        parser.error(f"--peers: {', '.join(sorted(unknown))} is none of {', '.join(setups)}")
    rounds, part = (3, 8) if args.quick else (args.rounds, 1)
    args.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(TOOL, ["--path", "/any.Service/Call"] if args.unobserved else [])
    page = []

    def say(text=""):
        print(text, flush=True)
        page.append(text)

    up, upstream = started([TOOL, "upstream"], LOAD_CORE)
    relay, relay_address = started([TOOL, "relay", upstream], PROXY_CORE)
    proxy, address = flatline(upstream)
    at_rest = resident([proxy.pid])
    with tempfile.TemporaryDirectory() as folder:
        others = []
        try:
            for name in wanted:
                others.append(setups[name](upstream, pathlib.Path(folder), PROXY_CORE))
            targets = {"no proxy": ([], upstream)}
            targets |= {peer.name: (family(peer.processes[0].pid), peer.address) for peer in others if peer.name == "TCP relay"}
            targets["bare hyper relay"] = ([relay.pid], relay_address)
            targets |= {peer.name: (family(peer.processes[0].pid), peer.address) for peer in others if peer.name != "TCP relay"}
            targets["Flatline"] = ([proxy.pid], address)
            # Steady state: the baseline of the one series is learned before anything is measured.
            for pids, at in targets.values():
                bench.load(at, 128, 1, 8, 5000 if pids == [proxy.pid] else 500)

            say(f"{machine()}; {rounds} rounds in turn; CPU microseconds a call (least-most) / median latency in microseconds. Proxy on one core, load and upstream on the other.\n")
            found = rows(bench, targets, rounds, part)
            say(report.table(found, list(targets)))
            report.write_csv(args.out / "compare.csv", found)
            report.plot(args.out / "compare.svg", found, list(targets))
            say(f"\nobserved {verdicts(proxy)['observed']}\n")
            if not args.rows_only:
                say(tails(bench, targets, found, rounds, 0.7 if args.quick else 3))
                say()
            for peer in others:
                say(f"- {peer.name} {peer.version}: {peer.settings}")
            say("- bare hyper relay: hyper on both sides, one upstream connection a client connection, 512 KiB stream and 64 MiB connection windows, 64 KiB frames, as Flatline has them")
        finally:
            for peer in others:
                peer.stop()
    relay.terminate()
    if not args.rows_only:
        seen = memory(bench, proxy, address, 3 if args.quick else args.soak)
        half = len(seen) // 2
        say(f"\n- memory: {at_rest:.1f} MiB at rest; under 602 kB, 4 x 2: {max(seen):.1f} MiB at most, mean {statistics.mean(seen[:half]):.1f} in the first half and {statistics.mean(seen[half:]):.1f} in the second of {3 if args.quick else args.soak:.0f} s")
        proxy.terminate()
        times = start_times(upstream, 5 if args.quick else 20)
        say(f"- start to first forwarded call: {report.median(times):.1f} ms (least {min(times):.1f}, most {max(times):.1f})")
        say(f"- binary, stripped: {stripped_size():.1f} MB\n")
        say(pressure.table(bench, flatline, verdicts, upstream))
        curves = growth.curves(bench, flatline, upstream, args.quick)
        say("\n" + growth.table(curves))
        report.plot_growth(args.out / "growth.svg", curves)
    proxy.terminate()
    up.terminate()
    (args.out / "compare.md").write_text("\n".join(page) + "\n")
    print(f"\nwritten to {args.out}")


if __name__ == "__main__":
    main()
