"""A board in a few words -> Grafana's classic dashboard JSON, which every Grafana since 10.4 imports.

Pure and exact: the same board is the same text, and the number of a panel follows from its title, so that links to it
live on when others come.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = 39  #: schemaVersion of Grafana 10.4; later ones migrate it when they load it
COLUMNS = 24  #: Grafana's grid
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"

Kind = Literal["timeseries", "stat", "state-timeline", "table"]
Word = tuple[float, str, str]  # a value, its word, its colour
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and what its series are called ("" leaves it to Grafana). `limit`: drawn as a dashed line."""

    expr: str
    legend: str = ""
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a label, `Value`, or `Value #A` of the first of several queries."""

    field: str
    head: str  #: "" leaves it out
    unit: str = ""
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture, and what a person needs who sees a bad value in it."""

    title: str
    description: str  #: what it shows, what a bad value means, what to do
    queries: tuple[Query, ...]
    unit: str = "short"  #: Grafana's word: s, percentunit, bytes, reqps, ops, short
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    empty: str = "Nothing of the kind here"  #: shown instead of a value
    steps: tuple[tuple[float, str], ...] = ()  #: from this value on, this colour
    base: str = GREEN  #: the colour below the first step
    words: tuple[Word, ...] = ()
    columns: tuple[Column, ...] = ()  #: of a table; labels that are not here keep their name


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it, left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A list at the top of the board, filled by Prometheus."""

    name: str
    label: str
    query: str
    several: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    """A whole dashboard."""

    uid: str
    title: str
    description: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]
    since: str = "now-24h"
    by_replica: bool = False  #: whether a person chooses which label names a replica, as $by


def text(board: Board) -> str:
    """The board as JSON text."""
    return json.dumps(document(board), indent=2) + "\n"


def document(board: Board) -> Json:
    """The board as Grafana wants it."""
    link = {"type": "dashboards", "tags": ["outrider"], "title": "Outrider", "asDropdown": True}
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["outrider"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": board.since, "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [
            {**link, "includeVars": True, "keepTime": True, "targetBlank": False, "url": "", "icon": "", "tooltip": ""}
        ],
        "templating": {"list": list(_variables(board))},
        "panels": list(_placed(board.rows)),
    }


def number(*titles: str) -> int:
    """A panel's id, from its row and its title."""
    return zlib.crc32("/".join(titles).encode()) % 1_000_000 + 1


def _variables(board: Board) -> Iterator[Json]:
    yield {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1}
    if board.by_replica:
        words = ("instance", "pod")
        options = [{"text": word, "value": word, "selected": word == words[0]} for word in words]
        yield {
            "type": "custom",
            "name": "by",
            "label": "Replicas by",
            "query": ",".join(words),
            "options": options,
            "current": options[0],
        }
    for choice in board.choices:
        yield {
            "type": "query",
            "name": choice.name,
            "label": choice.label,
            "datasource": DATASOURCE,
            "query": {"query": choice.query, "refId": choice.name},
            "definition": choice.query,
            "refresh": 2,  # whenever the time changes: replicas that are gone belong to their time
            "sort": 1,
            "multi": choice.several,
            "includeAll": choice.several,
            "current": {"text": ["All"], "value": ["$__all"]} if choice.several else {},
        }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    """Rows from top to bottom; in a row from left to right, a new line where the next would not fit."""
    y = 0
    for row in rows:
        grid = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {
            "id": number(row.title),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": grid,
        }
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield _panel(panel, number(row.title, panel.title), place)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel, number: int, place: Json) -> Json:
    made = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, ref) for query, ref in zip(panel.queries, "ABCDEFGH", strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _OPTIONS[panel.kind],
    }
    if panel.kind == "table":
        hidden = {column.field: True for column in panel.columns if not column.head}
        names = {column.field: column.head for column in panel.columns if column.head}
        options = {"excludeByName": {"Time": True, **hidden}, "renameByName": names}
        made["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": options}]
    return made


def _target(panel: Panel, query: Query, ref: str) -> Json:
    table, now = panel.kind == "table", panel.kind in {"table", "stat"}
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "table" if table else "time_series",
        "instant": now,
        "range": not now,
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"color": panel.base, "value": None}, *({"color": color, "value": at} for at, color in panel.steps)]
    defaults: Json = {
        "unit": panel.unit,
        "noValue": panel.empty,
        "mappings": _mappings(panel.words),
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "custom": dict(_CUSTOM[panel.kind]),
    }
    if panel.kind == "timeseries" and panel.steps:
        defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return defaults


def _mappings(words: Sequence[Word]) -> list[Json]:
    options = {f"{at:g}": {"text": word, "color": color, "index": n} for n, (at, word, color) in enumerate(words)}
    return [{"type": "value", "options": options}] if options else []


def _overrides(panel: Panel) -> Iterator[Json]:
    """Limits are dashed lines without a fill; a column of a table may have its own unit and words."""
    for query, ref in zip(panel.queries, "ABCDEFGH", strict=False):
        if query.limit:
            style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}
            fill = {"id": "custom.fillOpacity", "value": 0}
            yield {"matcher": {"id": "byFrameRefID", "options": ref}, "properties": [style, fill]}
    for column in panel.columns:
        properties: list[Json] = [{"id": "unit", "value": column.unit}] if column.unit else []
        properties += [{"id": "mappings", "value": _mappings(column.words)}] if column.words else []
        if properties:
            yield {"matcher": {"id": "byName", "options": column.head}, "properties": properties}


_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_ALL = {"mode": "multi", "sort": "desc"}
_OPTIONS: dict[Kind, Json] = {
    "timeseries": {"legend": _LEGEND, "tooltip": _ALL},
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "auto",
        "orientation": "auto",
    },
    "state-timeline": {
        "legend": _LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
        "showValue": "auto",
        "mergeValues": True,
        "rowHeight": 0.9,
        "alignValue": "left",
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}},
}
_CUSTOM: dict[Kind, Json] = {
    "timeseries": {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 10,
        "showPoints": "auto",
        "spanNulls": False,  # a gap is a fact: nothing was scraped
        "axisSoftMin": 0,
    },
    "stat": {},
    "state-timeline": {"lineWidth": 0, "fillOpacity": 70},
    "table": {"align": "auto", "cellOptions": {"type": "color-text"}, "filterable": True},
}
