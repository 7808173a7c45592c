"""What the three dashboards share: variables, panels, links, annotations.

Colours are those of Okabe and Ito, which the colour-blind tell apart; states have words as well,
and variety in is dashed where variety out is solid.
"""

BLUE, ORANGE, VERMILION, GREEN, SKY, PURPLE, GREY = (
    "#0072B2", "#E69F00", "#D55E00", "#009E73", "#56B4E9", "#CC79A7", "#8C8C8C")
SERIES = [BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE]
DOCS = "https://github.com/flatline-dev/flatline/blob/main/docs"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

POD = 'cluster=~"$cluster",namespace=~"$namespace",instance=~"$replica"'
ID = POD + ',model=~"$model",version=~"$version"'
BY_POD = "cluster, namespace, job, instance"
BY_ID = BY_POD + ", model, version, signature, output"
# Without calls no verdict changes, so what has none is not counted.
CALLED = f"unless on ({BY_ID}) max_over_time(flatline_window_rows{{{ID}}}[4m]) == 0"

STATES = [(0, "inactive", GREEN), (1, "pending", ORANGE), (2, "firing", VERMILION), (3, "resolved", SKY)]


def target(expr, legend="", instant=False, ref="A"):
    return {
        "datasource": SOURCE, "refId": ref, "expr": expr, "legendFormat": legend or "__auto",
        "instant": instant, "range": not instant, "format": "table" if instant and not legend else "time_series",
        "editorMode": "code", "exemplar": False,
    }


def targets(*pairs):
    return [target(expr, legend, ref=chr(ord("A") + i)) for i, (expr, legend) in enumerate(pairs)]


def fixed(colour):
    return {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}


def override(name, *properties):
    return {"matcher": {"id": "byName", "options": name}, "properties": list(properties)}


def dashed(name, colour=GREY):
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
    return override(name, fixed(colour), style)


def state_mappings():
    options = {str(value): {"text": text, "color": colour, "index": value} for value, text, colour in STATES}
    return [{"type": "value", "options": options}]


def thresholds(*steps):
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for value, colour in steps]}


def panel(kind, title, description, queries, unit, options, custom=None, overrides=(), steps=None, **more):
    """`Empty while ...` at the end of a description marks a panel that may have nothing to show."""
    defaults = {
        "unit": unit, "color": {"mode": "palette-classic"},
        "thresholds": thresholds(*(steps or [(None, BLUE)])), "mappings": [], "custom": custom or {},
    }
    defaults.update(more.pop("defaults", {}))
    links = more.pop("links", [])
    return {
        "type": kind, "title": title, "description": description, "datasource": SOURCE,
        "targets": queries, "options": options, "links": links, "transparent": False,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, **more,
    }


def lines(title, description, queries, unit, overrides=(), least=0, stack=False, **more):
    """Lines over time, in the colours of the palette by the order of the queries."""
    named = [o["matcher"]["options"] for o in overrides]
    plain = [q["legendFormat"] for q in queries if "{{" not in q["legendFormat"]]
    coloured = [override(name, fixed(SERIES[i % len(SERIES)])) for i, name in enumerate(plain) if name not in named]
    custom = {
        "drawStyle": "line", "lineWidth": 2, "fillOpacity": 12 if stack else 0, "showPoints": "never",
        "spanNulls": False, "axisSoftMin": least, "stacking": {"mode": "normal" if stack else "none", "group": "A"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, unit, options, custom, [*overrides, *coloured], **more)


def stat(title, description, expr, unit="short", steps=None, **more):
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
        "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard",
    }
    defaults = {"color": {"mode": "thresholds"}}
    return panel("stat", title, description, [target(expr, title)], unit, options, steps=steps, defaults=defaults, **more)


def table(title, description, expr, columns, unit="short", overrides=(), **more):
    """`columns` maps labels to headings; the rest is hidden."""
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    order = {name: i for i, name in enumerate(columns)}
    transformations = [{
        "id": "organize",
        "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}, "indexByName": order, "renameByName": columns},
    }]
    custom = {"align": "auto", "inspect": False, "filterable": False, "cellOptions": {"type": "auto"}}
    return panel("table", title, description, [target(expr, instant=True)], unit, options, custom,
                 overrides, transformations=transformations, **more)


def timeline(title, description, expr, legend, mappings=None, **more):
    options = {
        "mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.85, "perPage": 20,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    custom = {"lineWidth": 0, "fillOpacity": 80}
    defaults = {"mappings": mappings or [], "color": {"mode": "thresholds"}}
    return panel("state-timeline", title, description, [target(expr, legend)], "short", options, custom, defaults=defaults, **more)


def variable(name, label, query):
    return {
        "type": "query", "name": name, "label": label, "datasource": SOURCE, "hide": 0, "skipUrlSync": False,
        "query": {"query": query, "refId": name, "qryType": 1}, "refresh": 2, "regex": "",
        "sort": 1, "multi": True, "includeAll": True, "allValue": ".*", "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def variables(series):
    """Of the data source and the pods; with `series`, of models too."""
    found = [
        {
            "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "hide": 0,
            "skipUrlSync": False, "refresh": 1, "regex": "", "multi": False, "includeAll": False, "options": [],
            "current": {"selected": False, "text": "default", "value": "default"},
        },
        variable("cluster", "Cluster", "label_values(flatline_build_info, cluster)"),
        variable("namespace", "Namespace", 'label_values(flatline_build_info{cluster=~"$cluster"}, namespace)'),
    ]
    if series:
        pods = 'cluster=~"$cluster",namespace=~"$namespace"'
        found += [
            variable("model", "Model", f"label_values(flatline_rows_total{{{pods}}}, model)"),
            variable("version", "Version", f'label_values(flatline_rows_total{{{pods},model=~"$model"}}, version)'),
        ]
    found.append(variable(
        "replica", "Replica", 'label_values(flatline_build_info{cluster=~"$cluster",namespace=~"$namespace"}, instance)'))
    return found


def annotation(name, expr, title, text, colour):
    """At the time that the value says, in milliseconds."""
    return {
        "name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": colour,
        "expr": expr, "titleFormat": title, "textFormat": text, "tagKeys": "", "useValueForTime": "on",
    }


def annotations(selector):
    return {"list": [
        annotation("Verdicts", f"1000 * flatline_verdict_since_timestamp_seconds{{{selector}}}",
                   "Verdict changed", "{{model}} version {{version}}, output {{output}}, on {{instance}}", VERMILION),
        annotation("Versions", f"1000 * flatline_version_first_seen_timestamp_seconds{{{selector}}}",
                   "New version", "{{model}} version {{version}} answered for the first time on {{instance}}", BLUE),
    ]}


def link(title, url, tooltip):
    return {"type": "link", "title": title, "url": url, "icon": "doc", "tooltip": tooltip, "tags": [],
            "targetBlank": True, "asDropdown": False, "includeVars": False, "keepTime": False}


def place(rows):
    """`rows` are (heading, height, panels with their widths); ids follow the order."""
    placed, y, number = [], 0, 0
    for heading, height, panels in rows:
        number += 1
        placed.append({"type": "row", "title": heading, "id": number, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y, x = y + 1, 0
        for width, shown in panels:
            if x + width > 24:
                x, y = 0, y + height
            number += 1
            placed.append({**shown, "id": number, "gridPos": {"h": height, "w": width, "x": x, "y": y}})
            x += width
        y += height
    return placed


def dashboard(uid, title, description, rows, selector, series=True):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["flatline"], "editable": True,
        "schemaVersion": 39, "version": 1, "timezone": "browser", "graphTooltip": 1, "weekStart": "",
        "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "fiscalYearStartMonth": 0,
        "liveNow": False, "templating": {"list": variables(series)}, "annotations": annotations(selector),
        "links": [
            {"type": "dashboards", "title": "Flatline", "tags": ["flatline"], "asDropdown": False, "includeVars": True,
             "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""},
            link("Runbooks", f"{DOCS}/runbooks/README.md", "What each alert means and what to do"),
            link("Metrics", f"{DOCS}/metrics.md", "Every metric"),
        ],
        "panels": place(rows),
    }


def to_model():
    """From a row of a table to the dashboard of its model."""
    return {"id": "links", "value": [{
        "title": "Open the model", "targetBlank": False,
        "url": "/d/flatline-model?${__url_time_range}&var-datasource=${datasource}&var-model=${__value.raw}",
    }]}


def to_runbook():
    return {"id": "links", "value": [{
        "title": "Open the runbook", "targetBlank": True, "url": f"{DOCS}/runbooks/${{__value.raw}}.md"}]}
