"""What a Grafana dashboard is made of: panels, rows, annotations, variables, as its JSON model.

Written for schema version 39, which Grafana 10 and later read. The same description always gives
the same bytes: identifiers are counted, nothing comes from a clock or from the order of a set.
"""

import json

SCHEMA = 39
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RED, ORANGE, GREEN, BLUE, PURPLE, YELLOW, GRAY = (
    "red", "orange", "green", "blue", "purple", "yellow", "#8e8e8e")

# What every selector begins with.
ANY = 'instance=~"$instance"'
POOL = f'{ANY}, pool=~"$pool"'
ENDPOINT = f'{POOL}, endpoint=~"$endpoint"'
RATE = "[$__rate_interval]"


def select(family, scope, *more):
    """family{scope, more}"""
    return f"{family}{{{', '.join([scope, *more])}}}"


def rate(family, scope, *more):
    return f"rate({select(family, scope, *more)}{RATE})"


def total(by, expression):
    """The sum over everything but `by`."""
    return f"sum by ({by}) ({expression})"


def ratio(by, part, whole):
    """No number, not 0, where there is no whole."""
    return f"{total(by, part)} / ({total(by, whole)} > 0)"


def quantile(share, by, family, scope):
    by = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({by}) ({rate(family + '_bucket', scope)}))"


def mean(by, family, scope):
    return ratio(by, rate(family + "_sum", scope), rate(family + "_count", scope))


def target(expression, legend, exemplar=False, **more):
    made = {
        "datasource": SOURCE, "editorMode": "code", "expr": expression, "legendFormat": legend,
        "range": True, "instant": False, **more}
    if exemplar:
        made["exemplar"] = True
    return made


def level(family, scope=POOL, label="level", by="pool", legend=None):
    """Lines of a family of configured numbers; drawn dashed by what their legends end in."""
    if label is None:
        return target(f"max by ({by}) ({select(family, scope)})", legend)
    names = " ".join(f"{{{{{one}}}}}" for one in by.split(", "))
    return target(
        f"max by ({by}, {label}) ({select(family, scope)})", f"{names} {{{{{label}}}}}")


def _by_name(pattern, **properties):
    return {
        "matcher": {"id": "byRegexp", "options": pattern},
        "properties": [{"id": key, "value": value} for key, value in properties.items()]}


def _dashed(pattern, color):
    made = _by_name(pattern)
    made["properties"] = [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
        {"id": "custom.lineWidth", "value": 1},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.stacking", "value": {"group": "A", "mode": "none"}},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]
    return made


# Every legend that ends so is a line that the measured one is compared with.
DASHED = [
    _dashed("/(^| )normal$/", ORANGE), _dashed("/(^| )(alarm|limit)$/", RED),
    _dashed("/(^| )(objective|capacity|expected|usual)$/", BLUE)]


def steps(*levels, color=GREEN):
    """Field thresholds: `color` below the first, then (value, color) upwards."""
    first = [{"color": color, "value": None}]
    return {"mode": "absolute", "steps": first + [{"color": c, "value": v} for v, c in levels]}


def _panel(kind, title, description, unit, targets, size, options, defaults, overrides=()):
    width, height = size
    return {
        "type": kind, "title": title, "description": description, "datasource": SOURCE,
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": steps(), "mappings": [], **defaults},
            "overrides": list(overrides)},
        "options": options, "targets": targets}


def series(title, description, unit, targets, size=(8, 8), stacked=False, limits=None, low=0,
           high=None, bars=False, log=False):
    """Lines over time. `limits`: field thresholds drawn as lines."""
    custom = {
        "drawStyle": "bars" if bars else "line", "lineInterpolation": "linear", "lineWidth": 1,
        "fillOpacity": 60 if bars else 30 if stacked else 8, "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": False, "axisPlacement": "auto", "axisLabel": "",
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"}}
    defaults = {"custom": custom, "color": {"mode": "palette-classic"}}
    if low is not None and not log:
        defaults["min"] = low
    if high is not None:
        defaults["max"] = high
    if limits:
        defaults["thresholds"] = limits
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                   "calcs": ["lastNotNull", "max"], "sortBy": "Last *", "sortDesc": True},
        "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, description, unit, targets, size, options, defaults, DASHED)


def stat(title, description, unit, expression, limits=None, size=(4, 4), legend="", graph=True):
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value", "graphMode": "area" if graph else "none", "justifyMode": "auto",
        "orientation": "auto", "textMode": "auto"}
    defaults = {"color": {"mode": "thresholds"}, "thresholds": limits or steps()}
    return _panel(
        "stat", title, description, unit, [target(expression, legend)], size, options, defaults)


def timeline(title, description, expression, legend, states, size=(12, 8)):
    """The state of each series over time. `states`: (number, text, color)."""
    options = {
        "mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"}}
    mapping = {
        "type": "value",
        "options": {
            str(number): {"text": text, "color": color, "index": index}
            for index, (number, text, color) in enumerate(states)}}
    defaults = {
        "custom": {"lineWidth": 0, "fillOpacity": 80}, "color": {"mode": "thresholds"},
        "mappings": [mapping]}
    return _panel(
        "state-timeline", title, description, "short", [target(expression, legend)], size,
        options, defaults)


def heatmap(title, description, unit, expression, size=(12, 8)):
    options = {
        "calculate": False, "cellGap": 1, "cellValues": {"unit": "short"},
        "color": {"mode": "scheme", "scheme": "Spectral", "steps": 64, "reverse": False,
                  "exponent": 0.5, "fill": "dark-orange"},
        "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9},
        "legend": {"show": True}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
        "tooltip": {"show": True, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit}}
    wanted = target(expression, "{{le}}", exemplar=True, format="heatmap")
    return _panel(
        "heatmap", title, description, unit, [wanted], size, options,
        {"custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}})


def table(title, description, expression, columns, size=(12, 8)):
    """The present series as rows. `columns`: (label, title) in order; others are hidden."""
    wanted = target(expression, "", format="table")
    wanted.update({"range": False, "instant": True})
    panel = _panel(
        "table", title, description, "short", [wanted], size,
        {"showHeader": True, "cellHeight": "sm",
         "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""}},
        {"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}})
    panel["transformations"] = [
        {"id": "filterFieldsByName",
         "options": {"include": {"names": [label for label, _ in columns]}}},
        {"id": "organize",
         "options": {"excludeByName": {},
                     "indexByName": {label: n for n, (label, _) in enumerate(columns)},
                     "renameByName": dict(columns)}}]
    return panel


def repeated(panel, variable, across=3):
    """One of it for each value of the variable."""
    panel.update({"repeat": variable, "repeatDirection": "h", "maxPerRow": across})
    return panel


def _link(title, url):
    return {
        "asDropdown": False, "icon": "doc", "includeVars": False, "keepTime": False, "tags": [],
        "targetBlank": True, "title": title, "tooltip": "", "type": "link", "url": url}


def variable(name, label, query, several=True, all_value=None):
    """A choice among the values of a label."""
    made = {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "hide": 0,
        "query": {"query": query, "refId": name}, "definition": query, "refresh": 2, "regex": "",
        "sort": 1, "skipUrlSync": False, "multi": several, "includeAll": several, "options": []}
    if several:
        made["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    if all_value:
        made["allValue"] = all_value
    return made


SOURCE_VARIABLE = {
    "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
    "hide": 0, "refresh": 1, "regex": "", "skipUrlSync": False, "multi": False,
    "includeAll": False, "options": [], "current": {}}
INSTANCE = variable("instance", "Steelyard", "label_values(steelyard_build_info, instance)")
# Of a family that a pool without any endpoint has, too.
POOLS = variable(
    "pool", "Pool", f"label_values(steelyard_pool_threshold_objective_ratio{{{ANY}}}, pool)")
# `.*` and not a list: hundreds of addresses would not fit into a query.
ENDPOINTS = variable(
    "endpoint", "Endpoint", f"label_values(steelyard_endpoint_weight{{{POOL}}}, endpoint)",
    all_value=".*")


def annotation(name, expression, title, text, color, is_on=True):
    return {
        "name": name, "datasource": SOURCE, "enable": is_on, "hide": False, "iconColor": color,
        "expr": expression, "step": "15s", "titleFormat": title, "textFormat": text,
        "tagKeys": "", "useValueForTime": False}


_OWN = {
    "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True,
    "hide": True, "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts",
    "type": "dashboard"}


def _place(rows):
    """Numbers the panels and lays each row's from left to right, wrapping at the edge."""
    panels, top = [], 0
    for title, members in rows:
        panels.append({
            "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top}})
        top += 1
        left = height = 0
        for panel in members:
            place = panel["gridPos"]
            if left + place["w"] > COLUMNS:
                top, left, height = top + height, 0, 0
            place["x"], place["y"] = left, top
            left, height = left + place["w"], max(height, place["h"])
            panels.append(panel)
        top += height
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
        for index, one in enumerate(panel.get("targets", [])):
            one["refId"] = chr(ord("A") + index)
    return panels


def _requires(panels):
    kinds = sorted({panel["type"] for panel in panels} - {"row"})
    return [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds)]


def dashboard(uid, title, description, rows, variables, annotations=(), runbooks=""):
    panels = _place(rows)
    return {
        "__inputs": [], "__requires": _requires(panels),
        "uid": uid, "title": title, "description": description, "tags": ["steelyard"],
        "id": None, "version": 1, "schemaVersion": SCHEMA, "editable": True, "graphTooltip": 1,
        "timezone": "browser", "refresh": "15s", "liveNow": False, "fiscalYearStartMonth": 0,
        "weekStart": "", "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
        "links": [
            {"asDropdown": False, "icon": "external link", "includeVars": True, "keepTime": True,
             "tags": ["steelyard"], "targetBlank": False, "title": "Steelyard", "tooltip": "",
             "type": "dashboards", "url": ""},
            _link("Runbooks", runbooks)],
        "annotations": {"list": [_OWN, *annotations]},
        "templating": {"list": [SOURCE_VARIABLE, *variables]},
        "panels": panels}


def text(made):
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
