"""Unit tests of the rule file for promtool: what it does in an outage, a leak, a quiet night. Times are hand-checked.

Named after the rows of the conformance tables they come from. Every time is clear of an edge by one interval, because
ranges of Prometheus 3 hold one sample less than those of 2.
"""

from collections.abc import Iterable, Mapping

import yaml

from agent.generate.alerts import BURN, PAIRS
from agent.generate.recordings import BAD, GOOD_AND_BAD
from agent.generate.rules import FILE
from agent.generate.yaml_text import comment

_HEAD = f"""
    Tests of {FILE}, written by `outrider slo rules --tests`; run them with `promtool test rules`. Two clean hours come
    first, unless the name says otherwise; then the fault begins.
"""
_STEP = 30  # seconds between two samples, and two evaluations
_CLEAN = 2 * 3600 // _STEP  # samples of the clean hours
FACTORS = dict(zip(PAIRS, (14.4, 6.0, 3.0, 1.0), strict=True))  #: for 30 days
_OF = 'service="checkout",slo="app"'
_SEVERITIES = ("page", "ticket")

Test = dict[str, object]
Wanted = tuple[str, str, bool]  # when, an expression, whether it has a result


def tests() -> str:
    """The file as YAML, the same every time."""
    whole = {
        "rule_files": [FILE],
        "evaluation_interval": f"{_STEP}s",
        "tests": [*_outages(), _leak(), *_quiet(), _agents(), _passed_on()],
    }
    return "\n".join(comment(_HEAD)) + "\n" + yaml.safe_dump(whole, sort_keys=False, width=1000)


def _outages() -> list[Test]:
    hour = 3600 // _STEP
    return [
        _test(
            "V02: an outage pages with its third failed probe, and not before",
            _probe((1, 10)),
            [
                *_page({30: False, 60: True, 120: True}),
                (_at(120), f"slo:current_burn_rate:ratio{{{_OF}}} > 400 < 600", True),
                (_at(120), f"slo:error_budget:ratio{{{_OF}}} == 0.001", True),
            ],
        ),
        _test(
            "V09: ten minutes down; the page ends half an hour after it (the slow pair), and five minutes to be sure",
            _probe((1, 20), (0, hour)),
            _page({60: True, 600: True, 2340: True, 2640: True, 2760: False}),
        ),
        _test(
            "V24: one failure every ten minutes is one page of the quick pair, and not one every ten minutes",
            _probe(*((1, 1), (0, 19)) * 8, pairs=("page-quick",)),
            _page({1170: False} | dict.fromkeys(range(1230, 4800, 90), True)),
        ),
        _test(
            "V30: one of three replicas fails; the fleet pages later than that replica alone would",
            [
                *_probe((0, 12), pairs=("page-quick",)),
                *_replica("b", (0, _CLEAN + 12)),
                *_replica("c", (0, _CLEAN), (1, 12)),
            ],
            _page({120: False, 180: True}),
        ),
        _test(
            "L02: the quick pair alone is in force; true until 7 minutes, false from 7.5, held for 5 more",
            _probe((1, 6), (0, hour), pairs=("page-quick",)),
            _page({60: True, 420: True, 690: True, 780: False}),
        ),
    ]


def _leak() -> Test:
    seldom = ((0, 219), (1, 1))
    return _test(
        "A slow leak is a ticket, and wakes nobody",
        [*_replica("a", (0, 199), (1, 1), *seldom * 3), *_objective()],
        [(each, _burns(severity), severity == "ticket") for each in ("6h", "7h") for severity in _SEVERITIES],
    )


def _quiet() -> list[Test]:
    hour = 3600 // _STEP
    return [
        _test(
            "V28: everything fails, then no request comes at all; the page holds until requests are good again",
            [
                *_counts("a", ((50, _CLEAN + 20), (0, 100), (50, 60)), ((0, _CLEAN), (50, 20), (0, 160))),
                *_objective(),
            ],
            _page({300: True, 1200: True, 2400: True, 3540: True, 5100: False}),
        ),
        _test(
            "P01, P02, P04: an hour without any request are no error, and the budget is known all the time",
            [*_counts("a", ((50, hour), (0, _CLEAN - hour)), ((0, _CLEAN),)), *_objective()],
            [
                (_at(-_STEP), f"slo:sli_error:ratio_rate5m{{{_OF}}}", False),
                (_at(-_STEP), f"slo:period_error_budget_remaining:ratio{{{_OF}}} == 1", True),
                *_page({-_STEP: False}),
            ],
        ),
        _test(
            "P03: a series of failures that never began is no failure, and not unknown",
            [*_counts("a", ((50, _CLEAN),))[:1], *_objective()],
            [
                (_at(-_STEP), f"slo:sli_error:ratio_rate1h{{{_OF}}} == 0", True),
                (_at(-_STEP), f"slo:period_error_budget_remaining:ratio{{{_OF}}} == 1", True),
                (_at(-_STEP), f"slo:time_period:days{{{_OF}}} == 30", True),
            ],
        ),
        _test(
            "P05: the budget of the period is a ratio of sums: a quiet hour weighs what its requests weigh",
            [*_counts("a", ((100, hour), (0, 10), (1, hour)), ((0, hour + 10), (1, hour))), *_objective()],
            [("2h4m", f"slo:sli_error:ratio_rate30d{{{_OF}}} > 0.008 < 0.012", True)],
        ),
    ]


def _agents() -> Test:
    """What becomes of Outrider itself: one replica gone, one with a stuck probe, one objective that nobody can tell."""
    series = {
        'up{job="outrider",instance="a"}': "1x120",
        'up{job="outrider",instance="b"}': "1x60 0x60",
        'outrider_info{job="outrider",instance="a",service="checkout"}': "1x120",
        'outrider_info{job="outrider",instance="b",service="checkout"}': "1x60 stale",
        'outrider_info{job="outrider",instance="c",service="gone"}': "1x60 stale",
        'outrider_probe_state{job="outrider",instance="a",probe="db",state="stale"}': "0x30 1x90",
        'outrider_slo_last_evaluation_timestamp_seconds{job="outrider",instance="b"}': "0+30x20 600x99",
        f'outrider_slo_unknown_events_total{{{_OF},instance="a"}}': _counter((1, 120)),
        f'outrider_slo_events_total{{{_OF},instance="a"}}': _counter((0, 120)),
    }
    wanted: list[Wanted] = [
        ("1m", _firing("OutriderWatchdog"), True),
        ("28m", _firing("OutriderAgentMissing"), False),
        ("40m", _firing("OutriderAgentMissing", 'service="checkout"'), True),
        ("40m", _firing("OutriderAgentMissing", 'service="gone"'), True),
        ("15m", _firing("OutriderAgentStale"), False),
        ("25m", _firing("OutriderAgentStale", 'service="checkout",probe="db"'), True),
        ("25m", _firing("OutriderAgentStale", 'service="checkout",instance="b"'), True),
        ("50m", _firing("OutriderBlind", _OF), True),
    ]
    return _test("Outrider itself: missing, stuck, blind", list(series.items()), wanted)


def _passed_on() -> Test:
    """What two agents say for themselves: a probe, an objective with windows of its own, and one with the usual."""
    own, usual = 'service="checkout",alert="search",severity="page"', 'service="checkout",alert="app",severity="page"'
    down = 'service="checkout",alert="OutriderProbeDown:orders-db",severity="page"'
    series = {
        f'outrider_alert_state{{{down},instance="a"}}': "2x20 3x40",
        f'outrider_alert_state{{{down},instance="b"}}': "1x10 2x10 stale",
        'outrider_alert_state{service="checkout",alert="OutriderIsolated",severity="ticket",instance="a"}': "2x60",
        f'outrider_alert_state{{{own},instance="a"}}': "2x60",
        'outrider_slo_alert_factor{service="checkout",slo="search",pair="page-1h-5m",instance="a"}': "14.4x60",
        f'outrider_alert_state{{{usual},instance="a"}}': "2x60",
        'outrider_slo_alert_factor{service="checkout",slo="app",pair="page-quick",instance="a"}': "14.4x60",
    }
    down = _firing("OutriderProbeDown", 'service="checkout",probe="orders-db",severity="page",view="fleet"')
    wanted: list[Wanted] = [
        ("5m", down, True),
        ("14m", down, False),
        ("5m", _firing("OutriderIsolated", 'service="checkout",severity="ticket"'), True),
        ("5m", _firing(BURN, 'slo="search",severity="page",view="fleet"'), True),
        ("5m", _firing(BURN, 'slo="app"'), False),
    ]
    return _test("What agents say is passed on, once for all of them", list(series.items()), wanted)


def _probe(*bad: tuple[int, int], pairs: Iterable[str] = tuple(PAIRS)) -> list[tuple[str, str]]:
    """One replica with a slot a step: the clean hours, then `bad` (failures a step, steps)."""
    return [*_replica("a", (0, _CLEAN), *bad), *_objective(pairs)]


def _replica(instance: str, *bad: tuple[int, int]) -> list[tuple[str, str]]:
    return _counts(instance, ((1, sum(steps for _, steps in bad)),), bad)


def _counts(
    instance: str, events: Iterable[tuple[int, int]], bad: Iterable[tuple[int, int]] = ()
) -> list[tuple[str, str]]:
    labels = f'{{{_OF},instance="{instance}"}}'
    return [(f"{GOOD_AND_BAD}{labels}", _counter(*events)), (f"{BAD}{labels}", _counter(*bad))]


def _objective(pairs: Iterable[str] = tuple(PAIRS)) -> list[tuple[str, str]]:
    steps = 4 * _CLEAN
    return [
        (f"outrider_slo_objective_ratio{{{_OF}}}", f"0.999x{steps}"),
        (f'outrider_slo_info{{{_OF},window="30d",runbook_url="https://runbooks.example/app"}}', f"1x{steps}"),
        *((f'outrider_slo_alert_factor{{{_OF},pair="{pair}"}}', f"{FACTORS[pair]}x{steps}") for pair in pairs),
    ]


def _counter(*pieces: tuple[int, int]) -> str:
    """A counter that grows by so much a step, for so many steps; as promtool writes it."""
    text, value = [], 0
    for grows, steps in pieces:
        text.append(f"{value + grows}+{grows}x{steps - 1}")
        value += grows * steps
    return " ".join(text)


def _page(firing: Mapping[int, bool]) -> list[Wanted]:
    """Whether the page fires, by seconds since the fault began."""
    return [(_at(second), _burns("page"), fires) for second, fires in firing.items()]


def _burns(severity: str) -> str:
    return _firing(BURN, f'severity="{severity}",view="fleet",{_OF}')


def _firing(alert: str, labels: str = "") -> str:
    return f'ALERTS{{alertname="{alert}",alertstate="firing"{"," if labels else ""}{labels}}}'


def _at(second: int) -> str:
    return f"{_CLEAN * _STEP + second}s"


def _test(name: str, series: Iterable[tuple[str, str]], wanted: Iterable[Wanted]) -> Test:
    """As promtool has it. Each expression is counted, so that only whether there is a result matters."""
    return {
        "name": name,
        "interval": f"{_STEP}s",
        "input_series": [{"series": each, "values": values} for each, values in series],
        "promql_expr_test": [
            {
                "expr": f"count({expr})",
                "eval_time": when,
                "exp_samples": [{"labels": "{}", "value": 1}] if some else [],
            }
            for when, expr, some in wanted
        ],
    }
