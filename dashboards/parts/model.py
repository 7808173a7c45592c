"""One model: variety in against variety out, causes, versions, latency, errors."""

from grafana import (BLUE, BY_ID, CALLED, GREY, ID, POD, SERIES, VERMILION, GREEN, dashboard, dashed, fixed, lines, override, panel,
                     stat, state_mappings, table, target, targets, timeline)


def total(name):
    return f"sum(flatline_window_{name}{{{ID}}})"


def rate(name):
    return f"sum(rate(flatline_{name}_total{{{ID}}}[$__rate_interval]))"


def quantile(q, metric):
    return f"histogram_quantile({q}, sum by (le) (rate(flatline_{metric}_seconds_bucket{{{POD}}}[$__rate_interval])))"


def causes():
    options = {
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "text", "namePlacement": "auto",
        "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
    }
    query = target(f"topk(6, max by (rule, category) (flatline_cause_weight{{{ID}}}))", "{{rule}} {{category}}")
    return panel("bargauge", "Likely causes",
                 "Weight of each cause, of the outputs that are not healthy. The rules are explained on the status page. Empty while nothing is flat.",
                 [query], "percentunit", options,
                 defaults={"min": 0, "max": 1, "color": {"mode": "fixed", "fixedColor": VERMILION}})


def build():
    rows = [
        ("Now", 4, [
            (6, stat("Worst verdict", "The worst verdict of any output on any replica that has calls: resolved counts for less than firing.",
                     f"max(flatline_verdict_state{{{ID}}} < 3 {CALLED}) or min(flatline_verdict_state{{{ID}}} {CALLED}) or 0 * max(flatline_verdict_state{{{ID}}})",
                     steps=[(None, GREEN), (1, SERIES[1]), (2, VERMILION)])),
            (6, stat("Rows", "Rows a second, of all versions.", rate("rows"), "cps")),
            (6, stat("Baselines", "Share of outputs whose baseline stands: before, only plain collapse is seen.",
                     f"avg(flatline_baseline_ready{{{ID}}})", "percentunit")),
            (6, stat("Non-finite", "Share of output rows with NaN or infinity.",
                     f"{rate('series_non_finite_rows')} / ({rate('rows')} > 0)", "percentunit",
                     steps=[(None, GREEN), (0.0001, VERMILION)])),
        ]),
        ("Variety", 9, [
            (12, lines("Variety in against variety out",
                       "Distinct inputs and distinct outputs in the sliding windows. Healthy: they go together. Flat: inputs vary, outputs do not.",
                       targets((total("distinct_inputs"), "distinct inputs"), (total("distinct_effective_inputs"), "as the model sees them"),
                               (total("distinct_outputs"), "distinct outputs")), "short",
                       overrides=[dashed("distinct inputs", GREY), dashed("as the model sees them", SERIES[4]),
                                  override("distinct outputs", fixed(BLUE))])),
            (12, lines("Top output share", "Share of the commonest output in the window, by version and output: 100 % is flat.",
                       targets((f"max by (version, output) (flatline_window_top_output_share{{{ID}}})", "v{{version}} {{output}}")),
                       "percentunit", defaults={"max": 1, "min": 0})),
        ]),
        ("Verdict", 9, [
            (12, causes()),
            (12, timeline("Verdicts", "The verdict of each output on each replica over time.",
                          f"max by (version, output, instance) (flatline_verdict_state{{{ID}}})",
                          "v{{version}} {{output}} on {{instance}}", state_mappings())),
        ]),
        ("Versions", 9, [
            (12, lines("Version timeline", "Rows a second that each version answered.",
                       targets((f"sum by (model, version) (rate(flatline_rows_total{{{ID}}}[$__rate_interval]))", "{{model}} v{{version}}")),
                       "cps", stack=True)),
            (12, table("Versions", "When each replica saw the first reply of each version.",
                       f"1000 * max by (model, version, instance) (flatline_version_first_seen_timestamp_seconds{{{ID}}})",
                       {"model": "Model", "version": "Version", "instance": "Replica", "Value": "First reply"},
                       overrides=[override("First reply", {"id": "unit", "value": "dateTimeAsIso"})])),
        ]),
        ("Inputs and pairs", 9, [
            (12, lines("Collisions", "Share of compared pairs with equal outputs, and what is usual for this model. Empty while no pair is compared: one input again and again, or NaN.",
                       targets((f"{rate('colliding_pairs')} / ({rate('compared_pairs')} > 0)", "seen"),
                               (f"{rate('expected_colliding_pairs')} / ({rate('compared_pairs')} > 0)", "usual")),
                       "percentunit", overrides=[dashed("usual")])),
            (12, lines("Inputs that differ",
                       "Share of pairs of rows whose inputs differ, and of those the share that still differs as the model sees them. Low in the first: one input again and again. Low in the second: inputs are defaulted. Empty while no inputs differ.",
                       targets((f"{rate('distinct_input_pairs')} / ({rate('row_pairs')} > 0)", "as sent"),
                               (f"{rate('distinct_effective_input_pairs')} / ({rate('distinct_input_pairs')} > 0)", "still, as the model sees them")),
                       "percentunit")),
        ]),
        ("Calls", 9, [
            (12, lines("Latency", "From the request's headers to the end of the reply; calls of all models on these replicas.",
                       targets((quantile(0.5, "call_duration"), "median"), (quantile(0.99, "call_duration"), "99th percentile"),
                               (quantile(0.99, "upstream_duration"), "of it the server, 99th percentile")), "s")),
            (12, lines("Calls by their end", "Calls a second of all models on these replicas: `unavailable` is Flatline answering in place of the server.",
                       targets((f"sum by (end) (rate(flatline_calls_total{{{POD}}}[$__rate_interval]))", "{{end}}")), "reqps", stack=True)),
        ]),
    ]
    return dashboard("flatline-model", "Flatline / Model",
                     "Variety in against variety out, causes, versions, latency and errors of a model.", rows, ID)
