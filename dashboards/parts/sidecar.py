"""What Flatline costs, what it drops, what it holds."""

from grafana import GREEN, POD, VERMILION, dashboard, lines, stat, table, targets


# Skipped for what they are, not because something was amiss.
LEFT_OUT = ',reason!~"not_ok|incomplete|empty|probe|warm_up"'


def rate(name, by="", more=""):
    by = f" by ({by})" if by else ""
    return f"sum{by} (rate(flatline_{name}{{{POD}{more}}}[$__rate_interval]))"


def quantile(q, metric):
    return f"histogram_quantile({q}, {rate(metric + '_seconds_bucket', 'le')})"


def build():
    bad = [(None, GREEN), (1, VERMILION)]
    rows = [
        ("Now", 4, [
            (6, stat("Calls", "Calls a second through the sidecars.", rate("calls_total"), "reqps")),
            (6, stat("Observed", "Of Predict calls that succeeded, the share whose request and reply were read.",
                     f"{rate('observed_calls_total')} / ({rate('observed_calls_total')} + {rate('skipped_total', more=LEFT_OUT)} > 0)", "percentunit",
                     steps=[(None, VERMILION), (0.95, GREEN)])),
            (6, stat("Added at the 99th percentile", "Time that Flatline itself adds before the server gets the request.",
                     quantile(0.99, "added_latency"), "s", steps=[(None, GREEN), (0.005, VERMILION)])),
            (6, stat("Panics", "Panics of the analyzer since the start: each costs one series its memory, no call anything.",
                     f"sum(flatline_analyzer_panics_total{{{POD}}})", steps=bad)),
        ]),
        ("Cost", 9, [
            (8, lines("Time added", "Flatline's own part of a call: from the request's headers to handing them to the server.",
                      targets((quantile(0.5, "added_latency"), "median"), (quantile(0.99, "added_latency"), "99th percentile")), "s")),
            (8, lines("Processor", "Processor seconds a second, by replica.",
                      targets((rate("process_cpu_seconds_total", "instance"), "{{instance}}")), "short")),
            (8, lines("Memory", "Resident memory, by replica.",
                      targets((f"max by (instance) (flatline_process_resident_memory_bytes{{{POD}}})", "{{instance}}")), "bytes")),
        ]),
        ("Observing", 9, [
            (8, lines("Drops and skips", "Predict calls a second that were forwarded and not observed, by reason. Queue and memory: the analyzer is behind.",
                      targets((rate("skipped_total", "reason"), "{{reason}}")), "reqps", stack=True)),
            (8, lines("Queue", "Calls that wait for the analyzer, by replica.",
                      targets((f"max by (instance) (flatline_queue_length{{{POD}}})", "{{instance}}")), "short")),
            (8, lines("Series", "Series kept, those without lines of their own in the metrics, and those that had to leave each second.",
                      targets((f"sum(flatline_series{{{POD}}})", "kept"), (f"sum(flatline_series_without_lines{{{POD}}})", "without lines"),
                              (rate("series_evicted_total"), "leaving a second")), "short")),
        ]),
        ("Forwarding", 9, [
            (8, lines("Calls in flight", "Calls that have begun and not ended, and connections of clients.",
                      targets((f"sum(flatline_calls_in_flight{{{POD}}})", "calls"), (f"sum(flatline_connections{{{POD}}})", "connections")), "short")),
            (8, lines("Connections to the server", "Opened and failed a second; and clients that could not be accepted.",
                      targets((rate("upstream_connects_total"), "opened"), (rate("upstream_failures_total"), "failed"),
                              (rate("accept_failures_total"), "clients not accepted")), "cps")),
            (8, lines("The server's part", "From handing it the request's headers to the headers of its reply.",
                      targets((quantile(0.5, "upstream_duration"), "median"), (quantile(0.99, "upstream_duration"), "99th percentile")), "s")),
        ]),
        ("Beside", 9, [
            (8, lines("Actions", "Replies that carried a verdict, ejections that the fleet's budget refused, replicas that are out.",
                      targets((rate("annotated_replies_total"), "annotated a second"),
                              (rate("ejections_refused_total"), "refused a second"), (f"sum(flatline_ejected{{{POD}}})", "out")), "short")),
            (8, lines("Capture and state", "Bytes captured a second, exchanges that could not be written, baselines that could not be saved.",
                      targets((rate("capture_bytes_total"), "bytes"), (rate("capture_dropped_total"), "exchanges lost"),
                              (rate("state_save_failures_total"), "baselines lost")), "short")),
            (8, table("Sidecars", "Which Flatline runs where, and since when.",
                      f"1000 * max by (instance, cluster, namespace) (flatline_process_start_time_seconds{{{POD}}}) * on (instance, cluster, namespace) group_left (flatline_version) max by (instance, cluster, namespace, flatline_version) (flatline_build_info{{{POD}}})",
                      {"instance": "Replica", "flatline_version": "Flatline", "Value": "Running since", "namespace": "Namespace", "cluster": "Cluster"},
                      "dateTimeFromNow")),
        ]),
    ]
    return dashboard("flatline-sidecar", "Flatline / Sidecar", "What Flatline costs, what it drops, what it holds.", rows,
                     POD, series=False)
