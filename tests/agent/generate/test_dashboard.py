"""Boards are what Grafana takes, and speak only of what Outrider exports."""

import json
import re

import pytest

from agent.cli import OK, USAGE
from agent.generate.boards import BOARDS
from agent.generate.dashboard import COLUMNS, document, number, text
from outrider.__main__ import main
from tests.docs.tables import families

TARGET = {"job", "instance", "pod", "$by"}  # labels that Prometheus gives, and the one a person chose
PANELS = [(name, row, panel) for name, board in BOARDS.items() for row in board.rows for panel in row.panels]
QUERIES = [(panel, query) for _, _, panel in PANELS for query in panel.queries]

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
each_panel = pytest.mark.parametrize("panel", [panel for *_, panel in PANELS], ids=[p.title for *_, p in PANELS])
each_query = pytest.mark.parametrize(("panel", "query"), QUERIES, ids=[q.expr[:60] for _, q in QUERIES])


def _family(metric):
    """The family that a name in an expression belongs to."""
    known = families()
    return known.get(metric) or known[re.sub(r"_(bucket|count|sum)$", "", metric)]


def _metrics(expr):
    """The metrics that an expression names outright."""
    return re.findall(r"\boutrider_[a-z0-9_]+\b", re.sub(r'"[^"]*"', "", expr))


def _selected(expr):
    """(metric, labels) of each selector in braces."""
    for metric, inside in re.findall(r"([a-z0-9_]*)\{([^}]*)\}", expr):
        plain = re.sub(r'"[^"]*"', "", inside)
        yield metric, {label.strip(" =~!") for label in plain.split(",")}


@each_query
def test_every_metric_and_label_is_exported(panel, query):
    """A name that nobody exports is an empty panel for ever."""
    carried = TARGET | set(re.findall(r'label_replace\(.*?, "(\w+)"', query.expr))
    for metric in _metrics(query.expr):
        carried |= {*_family(metric).labels, *(("le",) if _family(metric).kind == "histogram" else ())}
    for metric, labels in _selected(query.expr):
        if metric:
            assert labels <= {*_family(metric).labels, *TARGET}, query.expr
    for _, grouped in re.findall(r"\b(by|on|group_left) \(([^)]*)\)", query.expr):
        assert {label.strip() for label in grouped.split(",")} <= {*carried, ""}, query.expr


@each_query
def test_counters_are_never_shown_as_they_stand(panel, query):
    """A counter is looked at through its rate or its increase, a gauge never is."""
    for metric, over in re.findall(
        r"\b(outrider_[a-z0-9_]+)(?:\{[^}]*\})?(\[)?", re.sub(r"\boutrider_info", "", query.expr)
    ):
        if metric != "outrider_state_set_aside_total":  # its standing number is the news
            assert (_family(metric).kind != "gauge") == bool(over), query.expr


@each_query
def test_a_legend_names_labels_that_the_result_has(panel, query):
    """Otherwise a person reads braces without a word."""
    named = set(re.findall(r"\{\{([^}]+)\}\}", query.legend)) - {"__name__", "probe"}
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query.expr) for label in labels.split(",")}
    assert named <= grouped, query


@each_panel
def test_units_follow_from_the_names(panel):
    """Seconds are shown as seconds, bytes as bytes, shares in per cent, rates per second."""
    for query in panel.queries:
        expr = query.expr
        if (
            "histogram_quantile" in expr
            or "timestamp_seconds" in expr
            or expr.startswith("min by (probe) (outrider_http")
        ):
            assert panel.unit == "s"
        elif re.match(r"(sum|max|topk)\b[^/]*\brate\(", expr) and "/ " not in expr:
            assert panel.unit in {"ops", "reqps"}
        elif panel.kind != "table" and _metrics(expr) and _metrics(expr)[0].endswith(("_bytes", "_ratio")):
            assert panel.unit == {"bytes": "bytes", "ratio": "percentunit"}[_metrics(expr)[0].rpartition("_")[2]]


@pytest.mark.parametrize("panel", [p for *_, p in PANELS if p.kind == "table"], ids=lambda panel: panel.title)
def test_columns_are_those_of_the_answer(panel):
    """A head over a column that never comes, or a column without a head, is a riddle."""
    values = {f"Value #{ref}" for ref, _ in zip("ABCDEFGH", panel.queries, strict=False)}
    grouped = {
        label.strip()
        for q in panel.queries
        for found in re.findall(r"\bby \(([^)]*)\)", q.expr)
        for label in found.split(",")
    }
    told = {column.field for column in panel.columns}
    assert told | {"$by"} == grouped | (values if len(values) > 1 else {"Value"}) | {"$by"}


def test_a_column_has_its_own_unit_and_words():
    """Per cent for shares, a word for the alert, and what only says that there is a row is left out."""
    (table,) = (
        panel
        for panel in document(BOARDS["slo"])["panels"]
        if panel["title"] == "Objectives" and panel["type"] == "table"
    )
    own = {each["matcher"]["options"]: each["properties"] for each in table["fieldConfig"]["overrides"]}
    assert own["Budget left"] == own["Promised"] == [{"id": "unit", "value": "percentunit"}]
    (words,) = own["Alert"]
    assert words["value"][0]["options"]["2"]["text"] == "firing"
    organize = table["transformations"][1]["options"]
    assert organize["excludeByName"] == {"Time": True, "Value #A": True}
    assert organize["renameByName"]["Value #C"] == "Budget left"


def test_limits_are_dashed_lines():
    """What an alert compares with is told apart from what is measured."""
    (burn,) = (panel for panel in document(BOARDS["slo"])["panels"] if panel["title"] == "Burn rate, page-quick")
    (limit,) = burn["fieldConfig"]["overrides"]
    assert limit["matcher"] == {"id": "byFrameRefID", "options": "C"}
    assert "outrider_slo_alert_factor" in burn["targets"][2]["expr"]


@each_panel
def test_a_panel_says_what_a_bad_value_means(panel):
    """Whoever looks at three in the morning finds the next step, and a word where there is nothing to see."""
    assert len(panel.description) > 40
    assert panel.description.endswith(".")
    assert panel.empty
    assert 1 <= len(panel.queries) <= 8


@each_board
def test_panels_do_not_overlap(board):
    """Every place of the grid belongs to one panel."""
    taken = set()
    for panel in document(board)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= COLUMNS
        taken |= cells


@each_board
def test_numbers_of_panels_are_their_own_and_stay(board):
    """A link to a panel lives on when others come: its number follows from its titles alone."""
    numbers = [panel["id"] for panel in document(board)["panels"]]
    assert len(numbers) == len(set(numbers))
    assert number(board.rows[0].title, board.rows[0].panels[0].title) == numbers[1]


@each_board
def test_a_board_fits_every_grafana(board):
    """No data source, id or replica of ours is written in it: all are chosen where it is imported."""
    made = document(board)
    names = {variable["name"] for variable in made["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(made))) <= names
    assert "id" not in made
    assert {panel["datasource"]["uid"] for panel in made["panels"] if panel["type"] != "row"} == {"${datasource}"}


def test_every_board_has_its_own_address():
    """Importing one never overwrites another."""
    assert len({board.uid for board in BOARDS.values()}) == len(BOARDS)
    assert all(re.fullmatch(r"[a-z-]{1,40}", board.uid) for board in BOARDS.values())


@pytest.mark.parametrize("words", [[], ["service"], ["fleet"], ["slo"]])
def test_the_command_writes_json(words, capsys):
    """What it prints is one document, the same each time; the service's board by default."""
    assert main(["dashboard", *words]) == OK
    first = capsys.readouterr().out
    assert json.loads(first)["uid"] == f"outrider-{words[0] if words else 'service'}"
    assert first == text(BOARDS[words[0] if words else "service"])


@pytest.mark.parametrize(("word", "hint"), [("servise", "did you mean 'service'?"), ("x", "service, fleet, slo")])
def test_an_unknown_board_is_named(word, hint, capsys):
    """Wrong use is 64 and one sentence that helps."""
    assert main(["dashboard", word]) == USAGE
    assert hint in capsys.readouterr().err
