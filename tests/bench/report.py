"""The figures as Markdown, CSV and plots."""
import csv
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

plt.rcParams["svg.hashsalt"] = "flatline"


def median(values):
    return statistics.median(values)


def cell(runs):
    """CPU microseconds a call with its spread / median latency in microseconds."""
    latency = f"{median([run['p50_us'] for run in runs]):.0f}"
    if runs[0]["cpu_us"] is None:
        return f"- / {latency}"
    cost = [run["cpu_us"] for run in runs]
    return f"{median(cost):.0f} ({min(cost):.0f}-{max(cost):.0f}) / {latency}"


def ratio(ours, theirs):
    """The median of the rounds' own ratios: what disturbs one round disturbs both sides of it."""
    return median([a["cpu_us"] / b["cpu_us"] for a, b in zip(ours, theirs)])


def table(rows, names):
    """`rows`: label -> name -> runs, one a round. Ratios are Flatline's CPU by theirs."""
    against = [name for name in ("bare hyper relay", "Envoy") if name in names]
    head = ["Predict request", *names, *(f"CPU by {name}" for name in against), "CPU by the best peer"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for label, found in rows.items():
        ours = found["Flatline"]
        cells = [label, *(cell(found[name]) for name in names)]
        cells += [f"{ratio(ours, found[name]):.2f}" for name in against]
        proxies = [name for name in names if name not in ("no proxy", "TCP relay", "bare hyper relay", "Flatline")]
        best = min(proxies, key=lambda name: median([run["cpu_us"] for run in found[name]]), default=None)
        cells.append(f"{ratio(ours, found[best]):.2f} ({best})" if best else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["row", "peer", "round", "cpu_us_per_call", "p50_us", "p99_us", "calls_per_second"])
        for label, found in rows.items():
            for name, runs in found.items():
                for number, run in enumerate(runs):
                    cpu = "" if run["cpu_us"] is None else f"{run['cpu_us']:.2f}"
                    out.writerow([label, name, number, cpu, run["p50_us"], run["p99_us"], f"{run['calls'] / run['seconds']:.0f}"])


def plot(path, rows, names):
    """CPU a call: a group of bars for each row, whiskers from the least to the most."""
    names = [name for name in names if name != "no proxy"]
    figure, axes = plt.subplots(1, len(rows), figsize=(2.3 * len(rows), 3.6))
    for panel, (label, found) in zip(axes if len(rows) > 1 else [axes], rows.items()):
        for place, name in enumerate(names):
            cost = [run["cpu_us"] for run in found[name]]
            middle = median(cost)
            panel.bar(place, middle, color="#c0392b" if name == "Flatline" else "#8395a7")
            panel.errorbar(place, middle, [[middle - min(cost)], [max(cost) - middle]], color="black", capsize=2, linewidth=1)
        panel.set_title(label, fontsize=9)
        panel.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
    figure.supylabel("CPU microseconds a call", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def plot_growth(path, growth):
    """`growth`: what grows -> [(how much, CPU microseconds a row)]."""
    figure, axes = plt.subplots(1, len(growth), figsize=(3 * len(growth), 3))
    for panel, (what, points) in zip(axes, growth.items()):
        panel.plot([x for x, _ in points], [y for _, y in points], marker="o", color="#c0392b")
        panel.set_xscale("log", base=2)
        panel.set_ylim(bottom=0)
        panel.set_title(what, fontsize=9)
        panel.tick_params(labelsize=7)
    figure.supylabel("CPU microseconds a row", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
