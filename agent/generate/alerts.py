"""The alerts of the rule file: a budget that burns, and Outrider itself when it is silent, stuck or blind."""

from collections.abc import Iterator

from agent.generate.recordings import BAD, GOOD_AND_BAD, OURS
from agent.generate.yaml_text import Rule
from exporters.base import Severity

BURN = "OutriderSLOBurn"
#: On every alert of this file: what all replicas together say, where an agent's own say `replica`.
VIEW = {"view": "fleet"}
#: The pairs of windows by name: long, short (SRE workbook, chapter 5).
PAIRS = {
    "page-quick": ("1h", "5m"),
    "page-slow": ("6h", "30m"),
    "ticket-quick": ("1d", "2h"),
    "ticket-slow": ("3d", "6h"),
}
HELD = "6h"  #: for so long an alert holds while nothing is known


def burning() -> Iterator[Rule]:
    """One alert per severity, each with its quick and its slow pair: a person is told once, not four times."""
    for severity, why in ((Severity.PAGE, _BURN_WHY), (Severity.TICKET, "")):
        quick, slow = (f"{severity.value}-{pace}" for pace in ("quick", "slow"))
        either = f"{_burns(quick)}\nor\n{_burns(slow)}\nor\n{_holds(severity, quick)}"
        yield Rule(
            either,
            alert=BURN,
            labels={"severity": severity.value, **VIEW},
            keep=PAIRS[quick][1],
            annotations=_burn_annotations(PAIRS[quick][1]),
            why=why,
        )


_BURN_WHY = """
    Fires when a long and a short window both burn too fast and at least 3 events were bad (2.5: increase()
    extrapolates). keep_firing_for is the short window: without it one failure every ten minutes fires and
    resolves every five. The last part holds what fires while there are no events: no traffic is no recovery.
"""


def _burns(pair: str) -> str:
    long, short = PAIRS[pair]
    threshold = f'outrider:slo_alert_threshold:ratio{{pair="{pair}"}}'
    bad = (
        f"increase({BAD}[{long}])"
        if long.endswith("h")
        else f"sum_over_time(outrider:slo_bad_events:increase5m[{long}])"
    )
    return f"""(
    slo:sli_error:ratio_rate{long}{OURS} > on (service, slo) {threshold}
  and on (service, slo)
    slo:sli_error:ratio_rate{short}{OURS} > on (service, slo) {threshold}
  and on (service, slo)
    sum by (service, slo) ({bad}) > 2.5
)"""


def _holds(severity: Severity, pair: str) -> str:
    short = f"slo:sli_error:ratio_rate{PAIRS[pair][1]}"
    fires = f'ALERTS{{alertname="{BURN}", severity="{severity.value}", view="fleet", alertstate="firing"}}'
    return f"""(
    max by (service, slo) ({fires})
  and on (service, slo)
    max by (service, slo) (last_over_time({short}{OURS}[{HELD}]))
      > on (service, slo) outrider:slo_alert_threshold:ratio{{pair="{pair}"}}
  unless on (service, slo)
    {short}{OURS}
)"""


def _burn_annotations(short: str) -> dict[str, str]:
    return {
        "summary": "{{ $labels.service }} {{ $labels.slo }}: error budget burns too fast",
        "description": (
            f"Bad in the last {short}: {_asked(f'slo:sli_error:ratio_rate{short}', 'humanizePercentage')}. "
            f"Burn rate over 5m: {_asked('slo:current_burn_rate:ratio', 'humanize')}; 1 spends the budget exactly. "
            f"Budget left: {_asked('slo:period_error_budget_remaining:ratio', 'humanizePercentage')}."
        ),
        "runbook_url": _query("outrider_slo_info", "label `runbook_url`", without=""),
    }


def _asked(metric: str, shown: str) -> str:
    return _query(metric, f"value | {shown}", without="unknown")


def _query(metric: str, what: str, without: str) -> str:
    """Part of a template: what Prometheus knows of the alert's own objective."""
    series = f"printf `{metric}{{service=%q,slo=%q}}` $labels.service $labels.slo"
    otherwise = f"{{{{ else }}}}{without}" if without else ""
    return f"{{{{ with {series} | query }}}}{{{{ . | first | {what} }}}}{otherwise}{{{{ end }}}}"


def own() -> Iterator[Rule]:
    """Outrider and the way of an alert themselves."""
    yield Rule(
        "vector(1)",
        alert="OutriderWatchdog",
        labels={"severity": "none", **VIEW},
        annotations={
            "summary": "Always fires: when it stops, alerts no longer arrive",
            "description": "Send it to a service that calls somebody when it has not come for some minutes.",
        },
        why="The dead man's switch: proves the way from Prometheus to the receiver.",
    )
    yield Rule(
        """
          count by (service) (
            max by (job, instance, service) (last_over_time(outrider_info[1h]))
            and on (job, instance) up == 0
          )
        or
          max by (service) (last_over_time(outrider_info[1h]))
          unless on (service) outrider_info
        """,
        alert="OutriderAgentMissing",
        labels=_ticket(),
        pending="5m",
        annotations={
            "summary": "{{ $labels.service }}: Outrider is not heard",
            "description": (
                "{{ $value }} of its agents gave no answer to Prometheus for 5 minutes, or there is no target left. "
                "Nobody judges these replicas. Look at the container's log and at the scrape's error in Prometheus."
            ),
        },
        why="A target that does not answer; or, for an hour, a service of which no target is left at all.",
    )
    yield Rule(
        _STALE, alert="OutriderAgentStale", labels=_ticket(), pending="5m", annotations=_STALE_SAYS, why=_STALE_WHY
    )
    yield Rule(_BLIND, alert="OutriderBlind", labels=_ticket(), pending="10m", annotations=_BLIND_SAYS, why=_BLIND_WHY)


def _ticket() -> dict[str, str]:
    return {"severity": Severity.TICKET.value, **VIEW}


_EVALUATED = "outrider_slo_last_evaluation_timestamp_seconds[5m]"
_STALE = f"""
(
    max by (job, instance, probe) (outrider_probe_state{{state="stale"}} == 1)
  or
    max by (job, instance) (changes({_EVALUATED}) == 0 and count_over_time({_EVALUATED}) > 2)
)
* on (job, instance) group_left (service)
  max by (job, instance, service) (outrider_info)
"""
_STALE_WHY = """
    An agent that answers, and asks one of its probes no more or judges no more. Changes are counted, so that no clock
    matters; three samples at least, so that a scrape every five minutes is no fault.
"""
_STALE_SAYS = {
    "summary": (
        "{{ $labels.service }}: "
        "{{ with $labels.probe }}probe {{ . }} is no longer asked{{ else }}objectives are no longer judged{{ end }}"
    ),
    "description": (
        "{{ $labels.instance }} answers, and does not do its work: no attempt of the probe has ended for three "
        "intervals, or no objective was evaluated for five minutes. Its log says what hangs; "
        "outrider_probe_stuck_tasks_total and outrider_task_restarts_total count what had to be abandoned."
    ),
}

_UNKNOWN = "sum by (service, slo) (increase(outrider_slo_unknown_events_total[30m]))"
_BLIND = f"""
  {_UNKNOWN}
/
  (({_UNKNOWN} + sum by (service, slo) (increase({GOOD_AND_BAD}[30m]))) > 0)
> 0.5
"""
_BLIND_WHY = "Most of the last half hour is neither good nor bad: the objective is not measured, so it cannot alert."
_BLIND_SAYS = {
    "summary": "{{ $labels.service }} {{ $labels.slo }}: mostly unknown",
    "description": (
        "In {{ $value | humanizePercentage }} of the last 30 minutes nobody could tell whether the objective was met. "
        "Look for attempts that are inconclusive: an agent without CPU, a clock that jumps."
    ),
}
