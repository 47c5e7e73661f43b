"""Tables say what the code says: no key, reading, reason, path or status too few or too many."""

import re
from typing import get_args

import pytest
from msgspec import NODEFAULT

from agent import cli
from agent.relay import ledger
from agent.web import tables as listeners
from config import model, shapes
from config.later import KEYS
from config.net.tls import TlsOptions
from config.sections import alerts, groups, listen, log, maintenance, metrics, probes, readiness, sli, slos, traces
from config.sections.heartbeat import Heartbeat
from exporters.notify.alertmanager import AlertmanagerOptions
from exporters.notify.chat import ChatOptions
from exporters.notify.email import EmailOptions
from exporters.notify.log import LogOptions
from exporters.notify.pagerduty import PagerDutyOptions
from exporters.notify.webhook import WebhookOptions
from exporters.otlp.grpc import OtlpGrpcOptions
from exporters.otlp.http import OtlpHttpOptions
from exporters.registry import NOTIFIERS, SENDERS
from probes.heartbeat import HeartbeatOptions
from probes.http.options import Expect, HttpOptions
from probes.memory import MemoryOptions
from probes.postgres import PostgresOptions
from probes.prometheus.options import PrometheusOptions, Series
from probes.reason import Reason
from probes.redis.options import RedisOptions
from probes.registry import PROBES
from tests.docs.pages import DOCS, column, prose, section, tables

CONFIGURATION, PROBES_PAGE = DOCS / "configuration.md", DOCS / "probes.md"

# (page, heading, number of the table below it) -> (what is written before its keys, the type that has them)
KEYS_OF = {
    (CONFIGURATION, "## Top level", 0): [("", model.File)],
    (CONFIGURATION, "## `listen`", 0): [("", listen.Listen)],
    (CONFIGURATION, "## `log`", 0): [("", log.Log)],
    (CONFIGURATION, "## `metrics`", 0): [("", metrics.Metrics)],
    (CONFIGURATION, "## `defaults`", 0): [("", probes.ProbeDefaults)],
    (CONFIGURATION, "## `probes`", 0): [("", probes.ProbeEntry)],
    (CONFIGURATION, "## `readiness`", 0): [("", readiness.Readiness)],
    (CONFIGURATION, "## `readiness`", 1): [("", readiness.Peers)],
    (CONFIGURATION, "## `groups`", 0): [("", groups.Group)],
    (CONFIGURATION, "## `maintenance`", 0): [("", maintenance.Maintenance)],
    (CONFIGURATION, "## `traces`", 0): [
        ("", traces.Traces),
        ("receive.", traces.Receive),
        ("queue.", traces.QueueLimits),
        ("metrics.", traces.RequestMetrics),
        ("own_spans.", traces.OwnSpans),
    ],
    (CONFIGURATION, "## `traces`", 1): [("", traces.Destination), ("", OtlpHttpOptions), ("", OtlpGrpcOptions)],
    (CONFIGURATION, "## `slos`", 0): [
        ("", slos.Slo),
        ("sli.", sli.Sli),
        ("sli.spans.", sli.SpanSli),
        ("sli.counters.", sli.CounterSli),
        ("alerts.", slos.SloAlerts),
        ("alerts.windows[].", slos.AlertWindows),
    ],
    (CONFIGURATION, "## `alerts`", 0): [("", alerts.Alerts), ("routes[].", alerts.Route)],
    (CONFIGURATION, "## `alerts.plain`", 0): [("", alerts.PlainAlerts), ("NAME.", alerts.PlainAlert)],
    (CONFIGURATION, "## `alerts`", 1): [("", alerts.Receiver), ("", WebhookOptions)],
    (CONFIGURATION, "## `alerts`", 2): [("", alerts.Receiver), ("", AlertmanagerOptions)],
    (CONFIGURATION, "## `alerts`", 3): [("", alerts.Receiver), ("", PagerDutyOptions)],
    (CONFIGURATION, "## `alerts`", 4): [("", alerts.Receiver), ("", ChatOptions)],
    (CONFIGURATION, "## `alerts`", 5): [("", alerts.Receiver), ("", ChatOptions)],
    (CONFIGURATION, "## `alerts`", 6): [("", alerts.Receiver), ("", EmailOptions)],
    (CONFIGURATION, "## `alerts`", 7): [("", alerts.Receiver), ("", LogOptions)],
    (CONFIGURATION, "## `heartbeat`", 0): [("", Heartbeat)],
    (CONFIGURATION, "## `tls`", 0): [("", TlsOptions)],
    (PROBES_PAGE, "## http", 0): [("", HttpOptions)],
    (PROBES_PAGE, "## http", 1): [("", Expect)],
    (PROBES_PAGE, "## postgres", 0): [("", PostgresOptions)],
    (PROBES_PAGE, "## redis", 0): [("", RedisOptions)],
    (PROBES_PAGE, "## prometheus", 0): [("", PrometheusOptions)],
    (PROBES_PAGE, "## prometheus", 1): [("", Series)],
    (PROBES_PAGE, "## heartbeat", 0): [("", HeartbeatOptions)],
    (PROBES_PAGE, "## memory", 0): [("", MemoryOptions)],
}
# Told in the row of the key that holds them.
INSIDE = {"receive", "queue", "metrics", "sli", "sli.spans", "sli.counters", "alerts"}
PLACES = pytest.mark.parametrize("place", KEYS_OF, ids=lambda place: f"{place[0].stem} {place[1]} {place[2]}")


def _fields(place):
    """Key as written -> its field, of every type that one table tells."""
    found = {}
    types = KEYS_OF[place]
    for prefix, type_ in types:
        known, _ = shapes.fields(type_)
        found |= {f"{prefix}{key}": field for key, field in known.items()}
    if types[0][1] is probes.ProbeEntry:
        found = {key: field for key, field in found.items() if key not in shapes.fields(probes.ProbeDefaults)[0]}
    return {key: field for key, field in found.items() if len(types) == 1 or key not in INSIDE}


def _table(place):
    page, heading, number = place
    return [table for table in tables(section(page, heading)) if table[0][0].startswith("key")][number]


@PLACES
def test_keys_are_those_of_the_model(place):
    """A key that is not on its page does not exist for a reader, and one that is only there is a lie."""
    assert sorted(column(_table(place))) == sorted(_fields(place))


@PLACES
def test_defaults_are_those_of_the_model(place):
    """`required` is required, and a default in code is the default."""
    for row in _table(place)[1:]:
        for key in re.findall(r"`([^`]+)`", row[0]):
            field = _fields(place)[key]
            needed = field.default is NODEFAULT and field.default_factory is NODEFAULT
            assert (row[1] == "required") == needed, key
            written = re.fullmatch(r"`([^`]+)`", row[1])
            if written and not needed and field.default not in (None, ""):
                shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
                assert written[1] == shown, key


@PLACES
def test_choices_are_told(place):
    """Every word that a key may be stands in its row."""
    for row in _table(place)[1:]:
        for key in re.findall(r"`([^`]+)`", row[0]):
            type_ = shapes.bare(_fields(place)[key].type)
            for choice in _words(type_):
                assert f"`{choice}`" in f"{row[1]} {row[2]}" or f"`{key}`" == f"`{choice}`", (key, choice)


def _words(type_):
    """The strings of a Literal, also inside a union."""
    for argument in get_args(type_):
        yield from [argument] if isinstance(argument, str) else _words(shapes.bare(argument))


def test_every_type_has_its_table():
    """A new section or kind is missed here first."""
    told = {type_ for types in KEYS_OF.values() for _, type_ in types}
    for registry in (PROBES, SENDERS, NOTIFIERS):
        assert {cls.options_type for cls in registry.available().values()} - told == set()
    for field in shapes.fields(model.File)[0].values():
        nested = [field.type, *get_args(field.type)]
        nested += [inner for each in nested for inner in get_args(each)]
        assert {each for each in nested if shapes.is_struct(each)} - told == set()


def test_what_comes_later_is_not_told_as_if_it_were_here():
    """A key that is refused stands in no table."""
    for key in KEYS:
        head, _, last = key.rpartition(".")
        place = (CONFIGURATION, f"## `{head.partition('.')[0]}`", 0) if head else (CONFIGURATION, "## Top level", 0)
        assert last not in column(_table(place)), key


@pytest.mark.parametrize("kind", PROBES.builtin)
def test_readings_and_facts_are_those_of_the_kind(kind):
    """Names, units and which of them are counters."""
    page, cls = PROBES_PAGE.read_text(), PROBES.find(kind)
    (listed,) = re.findall(rf"<!-- readings {kind} -->(.*?)<!-- end -->", page)
    words = [
        f"`{name}`" + (f" ({unit})" if (unit := spec.unit or ("counter" if spec.kind == "counter" else "")) else "")
        for name, spec in cls.readings.items()
    ]
    assert listed == ", ".join(words)
    facts = section(PROBES_PAGE, f"## {kind}").partition("Facts:")[2]
    assert re.findall(r"`([^`]+)`", facts)[: len(cls.facts)] == list(cls.facts)


def test_reasons_are_all_explained():
    """Whoever is called finds the word in the table."""
    (table,) = tables(section(PROBES_PAGE, "## Reasons"))
    assert column(table) == [reason.value for reason in Reason]


def test_paths_are_those_that_are_served():
    """Every path of both listeners, and no other."""
    everyone, admin = tables(section(DOCS / "http.md", "## Paths"))
    public, whole = (_served(table(_Nothing())) for table in (listeners.public, listeners.admin))
    assert set(column(everyone)) == public
    assert set(column(admin)) == whole - public


def _served(routes):
    """As the page writes them: a method only where it is not GET."""
    return {f"{route.method} {route.path}".removeprefix("GET ").replace("/*", "/NAME") for route in routes}


class _Nothing:
    """A desk that nobody asks."""

    version = ""


def test_statuses_of_the_receiver_are_all_told():
    """Each code that is counted has its row."""
    table = tables(section(DOCS / "traces.md", "## In"))[0]
    assert set(ledger.REFUSED_CODES) == {code for row in table[2:] for code in re.findall(r"\b\d{3}\b|\btls\b", row[0])}


def test_reasons_of_the_ledger_are_all_told():
    """The label values of each counter of spans."""
    wanted: dict[str, tuple[str, ...]] = {
        "outrider_otlp_refused_spans_total": ledger.REFUSED,
        "outrider_otlp_rejected_upstream_spans_total": (*ledger.REJECTED, "other"),
        "outrider_otlp_dropped_spans_total": (*ledger.DROPPED, "other"),
        "outrider_otlp_retries_total": (*ledger.RETRIES, "other"),
    }
    (table,) = tables(section(DOCS / "traces.md", "## The ledger"))
    assert {row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[1])) for row in table[1:]} == wanted


def test_exit_codes_are_those_of_the_commands():
    """Each has its row, and there is no row without one."""
    table = tables(prose(DOCS / "cli.md"))[0]
    codes = {cli.OK, cli.BAD, cli.USAGE, cli.UNREACHABLE, cli.ESSENTIAL, cli.KEPT, cli.CONFIG}
    assert {int(row[0]) for row in table[1:]} == codes
