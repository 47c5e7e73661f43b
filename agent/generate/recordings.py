"""What Prometheus records of every objective: error ratios by window, the budget, burn rates. Sloth's names.

Nothing of an objective stands here: which there are, how strict, over which window and which factors alert comes with
the metrics of the agents. So one file serves every service, and a change of an objective needs no change of it.
"""

from collections.abc import Iterator

from agent.generate.yaml_text import Rule

SHORT = ("5m", "30m", "1h", "2h", "6h")  #: windows read from the agents' counters
LONG = ("1d", "3d")  #: windows read from increases of five minutes: their raw samples would be too many
PERIODS = ("7d", "28d", "30d", "90d")  #: windows of objectives whose budget is computed here
#: Recordings of ours only, where Sloth writes to the same Prometheus: its own have no such label.
OURS = '{slo!=""}'
GOOD_AND_BAD = "outrider_slo_events_total"
BAD = "outrider_slo_bad_events_total"


def short_windows() -> Iterator[Rule]:
    """Error ratios over the short windows."""
    for number, window in enumerate(SHORT):
        yield Rule(
            _named(_ratio(f"sum by (service, slo) (rate({BAD}[{window}]))", _rate(window))),
            record=f"slo:sli_error:ratio_rate{window}",
            labels={"sloth_window": window},
            why=_RATIO_WHY if number == 0 else "",
        )


_RATIO_WHY = """
    Bad events as a share of all, all replicas together. Where nothing ever failed the share is 0 and not missing.
    Without any event there is no sample: 0/0 would be NaN, which is above no threshold and spoils every sum it is in.
"""


def increases() -> Iterator[Rule]:
    """Events by five minutes: what the long windows are made of."""
    events = f"sum by (service, slo) (increase({GOOD_AND_BAD}[5m]))"
    bad = f"sum by (service, slo) (increase({BAD}[5m]))"
    yield Rule(events, record="outrider:slo_events:increase5m")
    yield Rule(f"  {bad}\nor\n  0 * {events}", record="outrider:slo_bad_events:increase5m")


def long_windows() -> Iterator[Rule]:
    """Error ratios over days, and over the windows of the objectives."""
    for window in LONG:
        yield Rule(_named(_over(window)), record=f"slo:sli_error:ratio_rate{window}", labels={"sloth_window": window})
    for number, window in enumerate(PERIODS):
        mine = f'{_over(window)}\nand on (service, slo)\n  outrider_slo_info{{window="{window}"}}'
        yield Rule(
            _named(mine),
            record=f"slo:sli_error:ratio_rate{window}",
            labels={"sloth_window": window},
            why=_PERIOD_WHY if number == 0 else "",
        )


_PERIOD_WHY = """
    Each objective over its own window, as a ratio of sums: a quiet hour weighs what its requests weigh. Prometheus must
    keep that long (--storage.tsdb.retention.time). An objective with another window alerts as any, and its budget is
    what the agents say: outrider_slo_error_budget_remaining_ratio.
"""


def about() -> Iterator[Rule]:
    """The objectives themselves, and thresholds of the alerts."""
    objective = "max by (service, slo) (outrider_slo_objective_ratio)"
    yield Rule(_named(objective), record="slo:objective:ratio", why="The strictest, while replicas differ in a deploy.")
    yield Rule(
        _named(f"round(1 - {objective}, 1e-9)"),
        record="slo:error_budget:ratio",
        why="Rounded: 1 - 0.999 is 0.0010000000000000009 for a computer.",
    )
    days = (f'{each[:-1]} * max by (service, slo) (outrider_slo_info{{window="{each}"}})' for each in PERIODS)
    yield Rule(_named("\nor\n".join(days)), record="slo:time_period:days")
    percent = f"round(100 * {objective}, 1e-7)"
    yield Rule(
        _named(f'count_values by (service, slo) ("sloth_objective", {percent})'),
        record="sloth_slo_info",
        labels={"sloth_mode": "outrider"},
    )
    yield Rule(
        f"""
          max by (service, slo, pair) (outrider_slo_alert_factor)
        * on (service, slo) group_left ()
          slo:error_budget:ratio{OURS}
        """,
        record="outrider:slo_alert_threshold:ratio",
        why="The error ratio above which a pair of windows alerts. One that no agent names never does.",
    )


def burn_rates() -> Iterator[Rule]:
    """How fast the budget burns, and what is left of it."""
    budget = f"slo:error_budget:ratio{OURS}"
    yield Rule(
        f"max without (sloth_window) (slo:sli_error:ratio_rate5m{OURS})\n/\n{budget}",
        record="slo:current_burn_rate:ratio",
    )
    days = "|".join(each[:-1] for each in PERIODS)
    over_period = f'{{__name__=~"slo:sli_error:ratio_rate({days})d", slo!=""}}'
    yield Rule(
        f"max without (sloth_window) ({over_period})\n/\n{budget}",
        record="slo:period_burn_rate:ratio",
    )
    yield Rule(f"1 - slo:period_burn_rate:ratio{OURS}", record="slo:period_error_budget_remaining:ratio")


def _rate(window: str) -> str:
    return f"sum by (service, slo) (rate({GOOD_AND_BAD}[{window}]))"


def _ratio(bad: str, events: str) -> str:
    return f"(\n    {bad}\n  or\n    0 * {events}\n)\n/\n({events} > 0)"


def _over(window: str) -> str:
    bad, events = (f"sum_over_time(outrider:slo_{each}:increase5m[{window}])" for each in ("bad_events", "events"))
    return f"  {bad}\n/\n  ({events} > 0)"


def _named(expr: str) -> str:
    """The labels that dashboards made for Sloth select by, from `service` and `slo`."""
    inner = "\n".join(f"  {line}" for line in expr.splitlines())
    labels = '"sloth_service", "", "service"), "sloth_slo", "", "slo"), "sloth_id", "-", "service", "slo")'
    return f"label_join(label_join(label_join(\n{inner},\n{labels}"
