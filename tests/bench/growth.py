"""What a row costs as connections, streams, series and rows a request grow."""
GROWTH = {
    # what -> [(how many, connections, streams, series, rows)]
    "connections": [(n, n, 1, 1, 1) for n in (1, 8, 64, 250, 1000)],
    "streams of one connection": [(n, 1, n, 1, 1) for n in (1, 8, 64, 250, 1000)],
    "series": [(n, 4, 4, n, 1) for n in (1, 4, 16, 64, 256)],
    "rows a request": [(n, 4, 4, 1, n) for n in (1, 8, 32, 128, 512)],
}


def curves(bench, flatline, upstream, quick):
    found = {}
    for what, points in GROWTH.items():
        found[what] = []
        for much, connections, streams, series, rows in points:
            child, address = flatline(upstream)
            bench.load(address, 128, 1, 8, 3500 if quick else 5000)
            calls = max(20_000 // (8 if quick else 1) // max(rows // 4, 1), 200, connections * streams * 2)
            result = bench.cost([child.pid], address, 128, connections, streams, calls, series=series, rows=rows)
            found[what].append((much, result["cpu_us"] / rows))
            child.terminate()
            child.wait()
    return found


def table(curves):
    lines = ["CPU microseconds a row, 128 B a row, a fresh proxy for each figure:", ""]
    for what, points in curves.items():
        lines.append(f"- {what}: " + ", ".join(f"{much}: {cost:.1f}" for much, cost in points))
    return "\n".join(lines)
