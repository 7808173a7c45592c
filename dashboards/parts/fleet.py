"""Which models are flat, since when, on which replica."""

from grafana import (BY_ID, BY_POD, CALLED, GREEN, ID, ORANGE, POD, VERMILION, dashboard, dashed, lines, override, stat,
                     state_mappings, table, targets, timeline, to_model, to_runbook)

FLAT = (f'max by ({BY_ID}, kind) (flatline_verdict_kind{{{ID}}} and on ({BY_ID}) flatline_verdict_state{{{ID}}} == 2 {CALLED})')


def pairs(name):
    return f"sum by (model, version) (rate(flatline_{name}_total{{{ID}}}[$__rate_interval]))"


def build():
    bad = [(None, GREEN), (1, VERMILION)]
    rows = [
        ("Now", 4, [
            (4, stat("Flat outputs", "Outputs whose verdict is firing, counted on every replica. A version without calls for five minutes, as after a rollback, does not count.",
                     f"count(flatline_verdict_state{{{ID}}} == 2 {CALLED}) or vector(0)", steps=bad)),
            (4, stat("Under suspicion", "Outputs whose verdict is pending, of versions with calls.",
                     f"count(flatline_verdict_state{{{ID}}} == 1 {CALLED}) or vector(0)", steps=[(None, GREEN), (1, ORANGE)])),
            (4, stat("Findings", "What is wrong with the deployment, collapse or not: rule and model.",
                     f'count(count by (rule, model) (flatline_finding{{{POD},model=~"$model"}})) or vector(0)', steps=bad)),
            (4, stat("Models", "Models that answered within five minutes.",
                     f"count(count by (model) (rate(flatline_rows_total{{{ID}}}[5m]) > 0))")),
            (4, stat("Replicas", "Sidecars that can be scraped.", f"count(flatline_build_info{{{POD}}})")),
            (4, stat("Rows", "Rows a second over all replicas.",
                     f"sum(rate(flatline_rows_total{{{ID}}}[$__rate_interval]))", "cps")),
        ]),
        ("What is flat", 8, [
            (24, table("Flat now", "Each output that is flat, with its kind, on each replica. The model leads to its dashboard. Empty while nothing is flat, or where calls have ended.",
                       f"{FLAT} * on ({BY_ID}) group_left () max by ({BY_ID}) (flatline_verdict_since_timestamp_seconds{{{ID}}}) * 1000",
                       {"model": "Model", "version": "Version", "kind": "Kind", "Value": "Since", "instance": "Replica",
                        "output": "Output", "signature": "Signature", "namespace": "Namespace", "cluster": "Cluster"},
                       overrides=[override("Model", to_model()),
                                  override("Since", {"id": "unit", "value": "dateTimeFromNow"})])),
            (12, table("Likely causes", "Weight of each cause of an output that is not healthy. Empty while nothing is flat.",
                       f"topk(20, max by (model, version, rule, category) (flatline_cause_weight{{{ID}}}))",
                       {"model": "Model", "version": "Version", "rule": "Rule", "category": "Category", "Value": "Weight"},
                       "percentunit", overrides=[override("Model", to_model())])),
            (12, table("Alerts that fire", "Alerts of Flatline in this Prometheus; the name leads to the runbook. Empty while no alert fires.",
                       'max by (alertname, severity, category, model, instance) (ALERTS{alertname=~"Flatline.*",alertstate="firing",cluster=~"$cluster",namespace=~"$namespace"})',
                       {"alertname": "Alert", "severity": "Severity", "category": "Category", "model": "Model",
                        "instance": "Replica", "Value": "Firing"},
                       overrides=[override("Alert", to_runbook()), override("Model", to_model())])),
        ]),
        ("Since when, and where", 10, [
            (24, timeline("Verdicts", "The verdict of each output on each replica over time.",
                          f"max by (model, version, output, instance) (flatline_verdict_state{{{ID}}})",
                          "{{model}} v{{version}} {{output}} on {{instance}}", state_mappings())),
            (12, lines("Collisions over the fleet",
                       "Of pairs of new, distinct inputs over all replicas, the share with equal outputs, and the share that would be usual. This judges a fleet in which no replica has seen enough. Empty while no pair is compared: one input again and again, or NaN.",
                       targets((f"{pairs('colliding_pairs')} / ({pairs('compared_pairs')} > 0)", "{{model}} v{{version}} seen"),
                               (f"{pairs('expected_colliding_pairs')} / ({pairs('compared_pairs')} > 0)", "{{model}} v{{version}} usual")),
                       "percentunit",
                       overrides=[{"matcher": {"id": "byRegexp", "options": ".* usual"},
                                   "properties": dashed("x")["properties"]}])),
            (12, lines("Replicas by version", "Replicas that answered with each version. Two for long is a skew.",
                       targets((f"count by (model, version) (count by ({BY_POD}, model, version) (rate(flatline_rows_total{{{ID}}}[5m]) > 0))",
                                "{{model}} v{{version}}")), "short")),
        ]),
        ("The deployment", 8, [
            (24, table("Findings by replica", "Versions that failed to load, pinned versions, defaulted inputs. Empty while nothing is found.",
                       f'max by (rule, category, model, version, {BY_POD}) (flatline_finding{{{POD},model=~"$model"}})',
                       {"model": "Model", "version": "Version", "rule": "Rule", "category": "Category", "instance": "Replica",
                        "namespace": "Namespace", "cluster": "Cluster", "Value": "Found"},
                       overrides=[override("Model", to_model())])),
        ]),
    ]
    return dashboard("flatline-fleet", "Flatline / Fleet", "Which models are flat, since when, on which replica.", rows, ID)
