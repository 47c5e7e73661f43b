"""The board of objectives: what was promised, how fast the budget burns, who was called."""

from agent.generate.dashboard import BLUE, ORANGE, RED, Board, Choice, Column, Panel, Query, Row
from agent.generate.slo_words import ALERT_STATES

_WHICH = '{service=~"$service",slo=~"$slo"}'
_ALERTS = '{service=~"$service",alert=~"$slo"}'
_BUDGET = f"(1 - max by (service, slo) (outrider_slo_objective_ratio{_WHICH}))"


def _burns(window: str) -> Query:
    """The burn rate over one window, all replicas together; nothing where nothing happened."""
    bad = f"sum by (service, slo) (rate(outrider_slo_bad_events_total{_WHICH}[{window}]))"
    all_ = f"sum by (service, slo) (rate(outrider_slo_events_total{_WHICH}[{window}]))"
    return Query(f"{bad} / on (service, slo) ({all_} > 0) / on (service, slo) {_BUDGET}", f"{{{{slo}}}} {window}")


_LIMITS = Query(f"max by (service, slo, pair) (outrider_slo_alert_factor{_WHICH})", "{{slo}} {{pair}}", limit=True)
_BURNS = (
    "All replicas together, from the counters. Above the dashed line of a pair in its long and its short window "
    "somebody is called; 1 spends the budget exactly in its period."
)

_OBJECTIVES = Row(
    "Objectives",
    (
        Panel(
            "Objectives",
            "One line per objective. Budget left is that of the replica that has least, the alert that of the one "
            "that is worst off. Left below 0: the period is missed; the runbook says what to do.",
            (
                Query(f"max by (service, slo, window, runbook_url) (outrider_slo_info{_WHICH})"),
                Query(f"max by (service, slo) (outrider_slo_objective_ratio{_WHICH})"),
                Query(f"min by (service, slo) (outrider_slo_error_budget_remaining_ratio{_WHICH})"),
                Query(
                    "max by (service, slo) (label_replace("
                    f'outrider_alert_state{_ALERTS}, "slo", "$1", "alert", "(.+)"))'
                ),
            ),
            kind="table",
            width=24,
            columns=(
                Column("service", "Service"),
                Column("slo", "Objective"),
                Column("window", "Window"),
                Column("runbook_url", "Runbook"),
                Column("Value #A", ""),
                Column("Value #B", "Promised", "percentunit"),
                Column("Value #C", "Budget left", "percentunit"),
                Column("Value #D", "Alert", words=ALERT_STATES),
            ),
            empty="No objectives",
        ),
    ),
)

_BURN = Row(
    "How fast the budget burns",
    (
        Panel("Burn rate, page-quick", _BURNS, (_burns("1h"), _burns("5m"), _LIMITS), width=12, empty="No objectives"),
        Panel("Burn rate, page-slow", _BURNS, (_burns("6h"), _burns("30m"), _LIMITS), width=12, empty="No objectives"),
        Panel(
            "Burn rate, ticket-quick", _BURNS, (_burns("1d"), _burns("2h"), _LIMITS), width=12, empty="No objectives"
        ),
        Panel("Burn rate, ticket-slow", _BURNS, (_burns("3d"), _burns("6h"), _LIMITS), width=12, empty="No objectives"),
        Panel(
            "Burn rate, as agents judge",
            "The worst replica, in the windows that it judges by. Far above the panels beside: one replica has a "
            "fault of its own.",
            (
                Query(
                    f"max by (service, slo, window) (outrider_slo_burn_rate{_WHICH})",
                    "{{slo}} {{window}}",
                ),
                _LIMITS,
            ),
            width=12,
            empty="No objectives",
        ),
        Panel(
            "Error budget left",
            "Least, and the mean of the replicas. A step down is an outage, a slope a steady fault that no page ever "
            "sees. It comes back as bad time leaves the window.",
            (
                Query(
                    f"min by (service, slo) (outrider_slo_error_budget_remaining_ratio{_WHICH})",
                    "{{slo}} least",
                ),
                Query(
                    f"avg by (service, slo) (outrider_slo_error_budget_remaining_ratio{_WHICH})",
                    "{{slo}} mean",
                ),
            ),
            unit="percentunit",
            width=12,
            empty="No objectives",
        ),
        Panel(
            "Time to exhaustion",
            "How long what is left of the budget lasts at the last hour's burn rate, on the replica where it lasts "
            "least. Hours: somebody should look now. A lower bound: old failures give budget back.",
            (Query(f"min by (service, slo) (outrider_slo_time_to_exhaustion_seconds{_WHICH}) < Inf", "{{slo}}"),),
            unit="s",
            width=12,
            empty="Nothing burns",
        ),
        Panel(
            "Coverage",
            "Share of each window of which something is known, on the replica that knows least. Low for a while "
            "after a start without a state folder; later: attempts are inconclusive, or the agent does not run.",
            (Query(f"min by (service, slo, window) (outrider_slo_coverage_ratio{_WHICH})", "{{slo}} {{window}}"),),
            unit="percentunit",
            width=12,
            empty="No objectives",
        ),
    ),
)

_EVENTS = Row(
    "What was counted",
    (
        Panel(
            "Error ratio",
            "Share of slots or requests that were bad. Compare with what the objective allows.",
            (
                Query(
                    f"sum by (service, slo) (rate(outrider_slo_bad_events_total{_WHICH}[$__rate_interval])) "
                    "/ on (service, slo) "
                    f"(sum by (service, slo) (rate(outrider_slo_events_total{_WHICH}[$__rate_interval])) > 0)",
                    "{{slo}}",
                ),
                Query(_BUDGET, "{{slo}} allowed", limit=True),
            ),
            unit="percentunit",
            empty="No objectives",
        ),
        Panel(
            "Events",
            "Slots or requests per second. None: nothing is counted, and nobody will ever be called.",
            (
                Query(
                    f"sum by (service, slo) (rate(outrider_slo_events_total{_WHICH}[$__rate_interval]))",
                    "{{slo}}",
                ),
            ),
            unit="ops",
            empty="No objectives",
        ),
        Panel(
            "Without a verdict",
            "Slots per second in which nothing could be told. Steadily above 0: agents do not run, or attempts are "
            "inconclusive, and the objective is blind.",
            (
                Query(
                    f"sum by (service, slo) (rate(outrider_slo_unknown_events_total{_WHICH}[$__rate_interval]))",
                    "{{slo}}",
                ),
            ),
            unit="ops",
            empty="No objectives",
        ),
    ),
)

_CALLS = Row(
    "Who was called",
    (
        Panel(
            "Alerts",
            "The worst of the replicas. Suppressed: what it depends on is down too. Stale: nothing was known for so "
            "long that the alert only holds its last word.",
            (Query(f"max by (service, alert, severity) (outrider_alert_state{_ALERTS})", "{{alert}} {{severity}}"),),
            kind="state-timeline",
            width=12,
            words=ALERT_STATES,
            empty="No alerts set up",
        ),
        Panel(
            "Replicas that fire",
            "Now, by alert. One of many: that replica's own fault. All: the service's.",
            (
                Query(
                    f"sum by (service, alert, severity) (outrider_alert_state{_ALERTS} == bool 2)",
                    "{{alert}} {{severity}}",
                ),
            ),
            kind="stat",
            width=12,
            base=BLUE,
            steps=((1, RED),),
            empty="No alerts set up",
        ),
        Panel(
            "Notifications",
            "Per second, by receiver and outcome. refused and dropped never arrived: mend the receiver's address or "
            "key.",
            (
                Query(
                    "sum by (receiver, outcome) (rate(outrider_notifications_total[$__rate_interval]) "
                    '* on (job, instance) group_left () outrider_info{service=~"$service"})',
                    "{{receiver}} {{outcome}}",
                ),
            ),
            unit="ops",
            width=12,
            empty="No receivers",
        ),
        Panel(
            "Alerts that wait to be sent",
            "Above 0 for minutes: the receiver cannot be reached, and nobody was called.",
            (
                Query(
                    "sum by (receiver) (outrider_notifications_waiting "
                    '* on (job, instance) group_left () outrider_info{service=~"$service"})',
                    "{{receiver}}",
                ),
            ),
            steps=((1, ORANGE),),
            width=12,
            empty="No receivers",
        ),
    ),
)

SLO = Board(
    "outrider-slo",
    "Outrider: objectives",
    "Objectives of all services: what was promised, how fast the error budget burns, who was called.",
    (
        Choice("service", "Service", "label_values(outrider_slo_objective_ratio, service)"),
        Choice("slo", "Objective", 'label_values(outrider_slo_objective_ratio{service=~"$service"}, slo)'),
    ),
    (_OBJECTIVES, _BURN, _EVENTS, _CALLS),
)
