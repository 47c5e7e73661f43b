"""The board of one service: may its replicas get traffic, why not, and what its users see.

Its rows are the list that a person watches in the first 24 hours after a deploy.
"""

from agent.generate.dashboard import BLUE, GREEN, GREY, ORANGE, RED, Board, Choice, Column, Panel, Query, Row
from agent.generate.service_dependencies import DEPENDENCIES, PROBES
from agent.generate.service_traffic import BUDGETS, FURTHER, REQUESTS, SPANS

_NOW = Row(
    "Now",
    (
        Panel(
            "Replicas ready",
            "Replicas that say they may get traffic, of those that Prometheus scrapes. Fewer than all: look at "
            "“What keeps replicas out” below.",
            (
                Query('sum(outrider_ready{$by=~"$replica"})', "ready"),
                Query('count(outrider_ready{$by=~"$replica"})', "of"),
            ),
            kind="stat",
            width=4,
            height=4,
            base=BLUE,
            empty="No replica is scraped",
        ),
        Panel(
            "Probes down",
            "Probes that at least one replica sees down. Above 0: the table below names them, and the row “Probes” "
            "tells since when and why.",
            (Query('sum(max by (probe) (outrider_probe_state{$by=~"$replica",state="down"}))'),),
            kind="stat",
            width=4,
            height=4,
            steps=((1, RED),),
            empty="No probes",
        ),
        Panel(
            "Requests failed",
            "Share of the requests of the last 5 minutes whose span ended with an error. Above 1 %: the row “Requests” "
            "names the route, and “Exceptions” what was thrown.",
            (
                Query(
                    '(sum(rate(outrider_span_requests_total{$by=~"$replica",status="error"}[5m])) '
                    'or 0 * sum(rate(outrider_span_requests_total{$by=~"$replica"}[5m]))) '
                    '/ (sum(rate(outrider_span_requests_total{$by=~"$replica"}[5m])) > 0)'
                ),
            ),
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            steps=((0.001, ORANGE), (0.01, RED)),
            empty="No requests seen",
        ),
        Panel(
            "p95 of requests",
            "95 of 100 requests of the last 5 minutes took no longer. What is slow depends on the service: compare "
            "with yesterday, and with the calls of databases.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le) "
                    '(rate(outrider_span_duration_seconds_bucket{$by=~"$replica"}[5m])))'
                ),
            ),
            unit="s",
            kind="stat",
            width=4,
            height=4,
            base=BLUE,
            empty="No requests seen",
        ),
        Panel(
            "Error budget left",
            "Of the objective and the replica that has least. Below 25 %: slow down with risky changes. Below 0 the "
            "objective of the period is missed.",
            (Query('min(outrider_slo_error_budget_remaining_ratio{$by=~"$replica"})'),),
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            base=RED,
            steps=((0.0, ORANGE), (0.25, GREEN)),
            empty="No objectives",
        ),
        Panel(
            "Alerts firing",
            "Alerts that some replica of this service fires now. Above 0: the row “Objectives and alerts”.",
            (Query('sum(max by (alert, severity) (outrider_alert_state{$by=~"$replica"} == bool 2))'),),
            kind="stat",
            width=4,
            height=4,
            steps=((1, RED),),
            empty="No alerts set up",
        ),
    ),
)

_OUT = Row(
    "Ready, and why not",
    (
        Panel(
            "Ready, by replica",
            "Red: this replica told load balancers and Kubernetes to send nothing. All red at once is an outage; one "
            "red is a replica with a fault of its own.",
            (Query('max by ($by) (outrider_ready{$by=~"$replica"})', "{{$by}}"),),
            kind="state-timeline",
            words=((0, "unready", RED), (1, "ready", GREEN)),
            empty="No replica is scraped",
        ),
        Panel(
            "What keeps replicas out",
            "Probes that are down or not known yet, by replica. One replica alone: its network or its machine. All of "
            "them: the dependency itself.",
            (
                Query(
                    "max by ($by, probe, type, state) "
                    '(outrider_probe_state{$by=~"$replica",state=~"down|unknown"}) == 1'
                ),
            ),
            kind="table",
            columns=(Column("probe", "Probe"), Column("type", "Type"), Column("state", "State"), Column("Value", "")),
            empty="Every probe is up or degraded",
        ),
        Panel(
            "Ready or not for another reason",
            "Draining: asked to stop. Overridden: a person decided. Unjudged: no valid file, so nothing is judged. "
            "Brake: ready although a shared dependency is down, because all replicas see it. Isolated: no peer "
            "answers.",
            (
                Query('max(outrider_draining{$by=~"$replica"})', "draining"),
                Query('max(outrider_readiness_overridden{$by=~"$replica"})', "overridden"),
                Query('max(outrider_unjudged{$by=~"$replica"})', "unjudged"),
                Query('max(outrider_readiness_brake_open{$by=~"$replica"})', "brake"),
                Query('max(outrider_peers_isolated{$by=~"$replica"})', "isolated"),
            ),
            kind="state-timeline",
            words=((0, "no", GREY), (1, "yes", ORANGE)),
            empty="No replica is scraped",
        ),
        Panel(
            "Changes of readiness",
            "How often a replica came and went. More than a few in an hour is flapping: raise failure_threshold of the "
            "probe that does it, or mend what it finds.",
            (
                Query(
                    'sum by ($by) (increase(outrider_ready_changes_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{$by}}",
                ),
            ),
            empty="No replica is scraped",
        ),
        Panel(
            "Groups",
            "Red: on some replica too few members of the group work. Balancers that ask /groups/NAME send nothing "
            "there.",
            (Query('min by (group) (outrider_group_ready{$by=~"$replica"})', "{{group}}"),),
            kind="state-timeline",
            words=((0, "not ready", RED), (1, "ready", GREEN)),
            empty="No groups in the file",
        ),
        Panel(
            "Stale, flapping, maintenance",
            "What is said of probes beside their state. Stale: no attempt ended for long, so the agent is stuck or "
            "starved. Flapping: it changes too often to be believed. Maintenance: somebody said so.",
            (
                Query(
                    "max by (probe, state) "
                    '(outrider_probe_state{$by=~"$replica",state=~"stale|flapping|maintenance"}) == 1'
                ),
            ),
            kind="table",
            columns=(Column("probe", "Probe"), Column("state", "State"), Column("Value", "")),
            empty="None of them",
        ),
    ),
)

SERVICE = Board(
    "outrider-service",
    "Outrider: service",
    "One service and its replicas, as the Outrider beside each sees them.",
    (
        Choice("service", "Service", "label_values(outrider_info, service)", several=False),
        Choice("replica", "Replica", 'label_values(outrider_info{service="$service"}, $by)'),
    ),
    (_NOW, _OUT, PROBES, REQUESTS, DEPENDENCIES, BUDGETS, SPANS, FURTHER),
    by_replica=True,
)
