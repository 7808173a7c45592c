"""usage: tests/bench/detection/run [--quick | --soak] [--corpus PATH] [--seeds A,B] [--each N]
                                 [--families A,B] [--scenarios A,B] [--others] [--export DIR] [--record]

Without a flag: every family and scenario with the seeds given, beside ADWIN, Page-Hinkley and the
naive ratio. Prints the table; ends with 1 when something is worse than recorded."""
import argparse
import json
import multiprocessing
import os
import sys
import time

import judge
import more_models
import models
import others
import shared
import streams
import table

ZOO = {}
BINARY = os.environ.get("FLATLINE_BINARY", "target/release/flatline")
QUICK_ROWS = 12_000
# Of all pairs, one in so many: every family meets some scenarios, every scenario some families.
QUICK_EACH = 9
SOAK_ROWS = 10_000_000
# Long enough for a day of one call in five seconds, or wide enough to be short.
LENGTHS = {"slow": 17_280, "slow_const": 17_280}


def stream_of(job):
    if job[0] == "file":
        return shared.load(job[1])
    _, family, scenario, seed, rows = job
    return streams.make(ZOO[family], scenario, seed, rows)


def work(arguments):
    job, ask_others, folder = arguments
    try:
        stream = stream_of(job)
        if folder:
            meta = stream["meta"]
            streams.write(stream, os.path.join(folder, f"{meta['family']}-{meta['scenario']}-{meta['seed']}.fls"))
        result = judge.judge(BINARY, stream)
        if ask_others:
            result["others"] = others.judge(stream)
        return result
    except Exception as error:  # noqa: BLE001 - a stream that breaks is a result
        return dict(family=str(job[1]), scenario=str(job[2]) if len(job) > 2 else "", seed=job[-1], error=repr(error))


def pairs(families, scenarios, seeds, rows, each=1):
    """Every scenario of every family that it applies to, or one in `each` of these pairs."""
    for seed in seeds:
        for i, family in enumerate(families):
            model = ZOO[family]
            for j, scenario in enumerate(scenarios):
                if streams.applies(model, scenario) and (i + j + seed) % each == 0:
                    n = rows and min(rows, model.rows)
                    yield ("made", family, scenario, seed, LENGTHS.get(scenario, n) if model.rows >= QUICK_ROWS else n)


def soak(families, seeds):
    """Healthy and odd traffic until there are enough rows."""
    rows, seed = 0, seeds[0]
    while rows < SOAK_ROWS:
        for job in pairs(families, streams.HEALTHY, [seed], None):
            rows += job[4] or ZOO[job[1]].rows
            yield job
        seed += 1


def run(jobs, ask_others, folder, processes):
    results, began = [], time.time()
    tasks = [(job, ask_others, folder) for job in jobs]
    with multiprocessing.Pool(processes) as pool:
        for result in pool.imap_unordered(work, tasks, chunksize=1):
            results.append(result)
            if sys.stderr.isatty():
                print(f"\r{len(results)} of {len(tasks)} streams, {time.time() - began:.0f} s", end="", file=sys.stderr)
    key = lambda r: (r["family"], r["scenario"], r["seed"])
    return sorted(results, key=key), time.time() - began


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[0][7:])
    parser.add_argument("--quick", action="store_true", help="every family and every scenario, short streams; a step of tests/run")
    parser.add_argument("--soak", action="store_true", help="10^7 rows of healthy and odd traffic")
    parser.add_argument("--corpus", metavar="PATH", help="a folder of FLS1 files, or a corpus.py to export them with")
    parser.add_argument("--seeds", default="0", help="seeds of the streams")
    parser.add_argument("--each", type=int, default=1, metavar="N", help="one in N pairs of family and scenario")
    parser.add_argument("--families")
    parser.add_argument("--scenarios")
    parser.add_argument("--others", action="store_true", help="ask the other detectors in any form")
    parser.add_argument("--export", metavar="DIR", help="keep the streams as FLS1 files")
    parser.add_argument("--record", action="store_true", help="write recorded.json from a --quick run")
    parser.add_argument("--results", metavar="FILE", help="write every result as a line of JSON")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if arguments.export:
        os.makedirs(arguments.export, exist_ok=True)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    scenarios = arguments.scenarios.split(",") if arguments.scenarios else streams.SCENARIOS
    if arguments.corpus:
        jobs = [("file", path) for path in shared.files(arguments.corpus)]
    else:
        ZOO.update(models.build())
        ZOO.update(more_models.build())
        families = arguments.families.split(",") if arguments.families else list(ZOO)
        unknown = [name for name in families if name not in ZOO] + [s for s in scenarios if s not in streams.SCENARIOS]
        if unknown:
            parser.error(f"unknown: {', '.join(unknown)}; families: {', '.join(ZOO)}; scenarios: {', '.join(streams.SCENARIOS)}")
        if arguments.soak:
            jobs = soak(families, seeds)
        else:
            rows, each = (QUICK_ROWS, QUICK_EACH) if arguments.quick else (None, arguments.each)
            jobs = pairs(families, scenarios, seeds, rows, each)
    ask_others = arguments.others or not (arguments.quick or arguments.soak)
    results, took = run(jobs, ask_others, arguments.export, arguments.processes)
    if arguments.results:
        with open(arguments.results, "w") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
    good = [result for result in results if not result.get("error")]
    table.show(good)
    table.show_others(good)
    print(f"\n{took:.0f} s")
    if arguments.record:
        table.record(good)
    # What was recorded is of the quick form's own streams.
    narrowed = arguments.families or arguments.scenarios or arguments.corpus or seeds != [0]
    complaints = table.wrong(results, held=arguments.quick and not narrowed)
    for complaint in complaints:
        print(f"wrong: {complaint}", file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
