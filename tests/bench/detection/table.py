"""The table of results, and what is asserted of it."""
import json
import pathlib

import numpy as np

import others

RECORDED = pathlib.Path(__file__).with_name("recorded.json")
# Faults that begin before any baseline: their delay is that of the cold start.
COLD = {"cold_const", "restart_const"}
# Of the recorded share of streams, as much less may be found: one stream in a small number.
SLACK = 0.001


def delays(results):
    found = [r["delay"] for r in results if r["clean"]]
    if not found:
        return "-"
    return f"{np.median(found):.0f} / {np.quantile(found, 0.9):.0f} / {max(found)}"


def by_fault(results):
    true = [r for r in results if r["fault"]]
    return {name: [r for r in true if r["scenario"] == name] for name in dict.fromkeys(r["scenario"] for r in true)}


def show(results):
    """Prints the table in Markdown."""
    print("\n| fault | streams | detected | delay median / p90 / max (rows) | kind right |\n| --- | --- | --- | --- | --- |")
    for name, mine in by_fault(results).items():
        clean = [r for r in mine if r["clean"]]
        right = sum(r["right"] for r in clean)
        print(f"| {name} | {len(mine)} | {100 * len(clean) / len(mine):.0f} % | {delays(mine)} | {right}/{len(clean)} |")
    true = [r for r in results if r["fault"]]
    clean = [r for r in true if r["clean"]]
    warm = [r for r in true if r["scenario"] not in COLD]
    rows = sum(r["rows"] for r in results)
    healthy = [r for r in results if r["counted"] and not r["fault"]]
    alarmed = [r for r in results if r["false_alarms"]]
    print(f"\n{len(results)} streams, {rows / 1e6:.2f} million rows")
    if true:
        print(f"found clean: {len(clean)} of {len(true)}, {100 * len(clean) / len(true):.1f} %")
        print(f"kind right: {sum(r['right'] for r in clean)} of {len(clean)}, "
              f"{100 * sum(r['right'] for r in clean) / max(len(clean), 1):.1f} %; "
              f"after more rows {100 * sum(r['finally_right'] for r in clean) / max(len(clean), 1):.1f} %")
        print(f"delay: {delays(true)}; without cold starts {delays(warm)}")
    print(f"false alarms: {sum(r['false_alarms'] for r in alarmed)} in {len(alarmed)} streams; "
          f"{len(healthy)} streams without a fault")
    for r in alarmed:
        print(f"  false alarm: {r['family']}, {r['scenario']}, seed {r['seed']}: {r['found']}")
    for r in true:
        if not r["clean"] and not r["false_alarms"]:
            print(f"  missed: {r['family']}, {r['scenario']}, seed {r['seed']}")
    for r in clean:
        if not r["right"]:
            print(f"  named {r['kind']}: {r['family']}, {r['scenario']}, seed {r['seed']}")


def show_others(results):
    """What the other detectors said, where they were asked."""
    asked = [r for r in results if r.get("others")]
    if not asked:
        return
    true = [r for r in asked if r["fault"]]
    rows = sum(r["rows"] for r in asked)
    healthy = [r for r in asked if r["counted"] and not r["fault"]]
    print("\n| detector | true faults found clean | false alarms per 10^6 rows | streams without a fault with an alarm |\n| --- | --- | --- | --- |")
    mine = {"Flatline": lambda r: (r["false_alarms"], r["clean"])}
    for name, of in {**mine, **{n: (lambda r, n=n: r["others"][n]) for n in others.NAMES}}.items():
        clean = sum(bool(of(r)[1]) for r in true)
        alarms = sum(of(r)[0] for r in asked)
        streams = sum(of(r)[0] > 0 for r in healthy)
        print(f"| {name} | {100 * clean / max(len(true), 1):.1f} % of {len(true)} | {1e6 * alarms / rows:.2f} | {streams} of {len(healthy)} |")


def record(results):
    """Keeps the share found of each fault, to be held against later runs."""
    shares = {name: round(sum(r["clean"] for r in mine) / len(mine), 4) for name, mine in by_fault(results).items()}
    RECORDED.write_text(json.dumps(shares, indent=1) + "\n")


def wrong(results, held):
    """What is worse than it was: sentences, none if all is well."""
    found = [f"{r['family']}, {r['scenario']}, seed {r['seed']}: {r['error']}" for r in results if r.get("error")]
    results = [r for r in results if not r.get("error")]
    found += [f"false alarm: {r['family']}, {r['scenario']}, seed {r['seed']}: {r['found']}" for r in results if r["false_alarms"]]
    found += [f"{r['family']}, {r['scenario']}: {r['skipped']} calls were skipped" for r in results if r["skipped"]]
    found += [f"flapping: {r['family']}, {r['scenario']}, seed {r['seed']} fired {r['alarms']} times"
              for r in results if r["scenario"] == "flapping" and r["alarms"] > 4]
    # Only the same streams can be held against what was recorded of them.
    recorded = json.loads(RECORDED.read_text()) if held else {}
    mine = by_fault(results)
    for name, share in recorded.items():
        now = mine.get(name)
        if now is None:
            found.append(f"{name}: no stream")
        elif sum(r["clean"] for r in now) / len(now) < share - SLACK:
            found.append(f"{name}: found in {sum(r['clean'] for r in now)} of {len(now)} streams, recorded are {100 * share:.1f} %")
    return found
