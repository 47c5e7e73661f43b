"""The service board's rows on requests, objectives, the way of spans, and further readings."""

from agent.generate.dashboard import ORANGE, RED, Panel, Query, Row
from agent.generate.slo_words import ALERT_STATES

REQUESTS = Row(
    "Requests, by the spans they left",
    (
        Panel(
            "Requests",
            "Per second and route, counted before sampling. A drop without a deploy is a fault in front of the "
            "service.",
            (
                Query(
                    'sum by (route) (rate(outrider_span_requests_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{route}}",
                ),
            ),
            unit="reqps",
            empty="No spans of requests",
        ),
        Panel(
            "Requests failed, by route",
            "Share of a route's requests whose span ended with an error. One route: its code or its dependency. All of "
            "them: the deploy, or something that all need.",
            (
                Query(
                    "(sum by (route) (rate(outrider_span_requests_total"
                    '{$by=~"$replica",status="error"}[$__rate_interval])) or on (route) '
                    '0 * sum by (route) (rate(outrider_span_requests_total{$by=~"$replica"}[$__rate_interval]))) '
                    "/ on (route) "
                    '(sum by (route) (rate(outrider_span_requests_total{$by=~"$replica"}[$__rate_interval])) > 0)',
                    "{{route}}",
                ),
            ),
            unit="percentunit",
            steps=((0.01, RED),),
            empty="No spans of requests",
        ),
        Panel(
            "Duration of requests",
            "p50, p95 and p99 of all requests. p50 up: everything is slow. Only p99 up: a lock, a pause, a retry or "
            "one slow dependency.",
            tuple(
                Query(
                    f"histogram_quantile(0.{part}, sum by (le) "
                    '(rate(outrider_span_duration_seconds_bucket{$by=~"$replica"}[$__rate_interval])))',
                    f"p{part}",
                )
                for part in (50, 95, 99)
            ),
            unit="s",
            empty="No spans of requests",
        ),
        Panel(
            "p95 of routes with an objective",
            "Only routes that an objective names have a histogram of their own.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (route, le) (rate(outrider_span_duration_seconds_bucket"
                    '{$by=~"$replica",route!=""}[$__rate_interval])))',
                    "{{route}}",
                ),
            ),
            unit="s",
            empty="No objective names a route",
        ),
        Panel(
            "Exceptions",
            "The ten most frequent types and routes, per second. One that was not there before a deploy came with it; "
            "the page of the agent shows where it was thrown.",
            (
                Query(
                    "topk(10, sum by (type, route) "
                    '(rate(outrider_span_exceptions_total{$by=~"$replica"}[$__rate_interval])) > 0)',
                    "{{type}} {{route}}",
                ),
            ),
            unit="ops",
            empty="No exceptions",
        ),
        Panel(
            "Spans counted in part",
            "Per second. late: they came more than traces.metrics.late after their end, and burn no budget. "
            "time_invalid: the clock of the service is wrong.",
            (
                Query(
                    'sum by (reason) (rate(outrider_span_left_out_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{reason}}",
                ),
            ),
            unit="ops",
            empty="No spans of requests",
        ),
    ),
)

BUDGETS = Row(
    "Objectives and alerts",
    (
        Panel(
            "Burn rate",
            "1 spends the budget exactly in its window. Above the dashed line in the long and the short window of a "
            "pair, somebody is called.",
            (
                Query('max by (slo, window) (outrider_slo_burn_rate{$by=~"$replica"})', "{{slo}} {{window}}"),
                Query('max by (pair) (outrider_slo_alert_factor{$by=~"$replica"})', "{{pair}}", limit=True),
            ),
            empty="No objectives",
        ),
        Panel(
            "Error budget left",
            "Of the replica that has least. A step down is an outage, a slope a steady fault. Below 0 the period is "
            "missed.",
            (
                Query(
                    'min by (slo) (outrider_slo_error_budget_remaining_ratio{$by=~"$replica"})',
                    "{{slo}}",
                ),
            ),
            unit="percentunit",
            empty="No objectives",
        ),
        Panel(
            "Alerts",
            "The worst of the replicas. Suppressed: it would fire, but what it depends on is down too. Stale: nothing "
            "was known for so long that the alert only holds its last word.",
            (Query('max by (alert, severity) (outrider_alert_state{$by=~"$replica"})', "{{alert}} {{severity}}"),),
            kind="state-timeline",
            words=ALERT_STATES,
            empty="No alerts set up",
        ),
        Panel(
            "Notifications",
            "Per second, by receiver and outcome. refused and dropped never arrived: mend the receiver's address or "
            "key. retried still tries.",
            (
                Query(
                    'sum by (receiver, outcome) (rate(outrider_notifications_total{$by=~"$replica"}'
                    "[$__rate_interval]))",
                    "{{receiver}} {{outcome}}",
                ),
            ),
            unit="ops",
            empty="No receivers",
        ),
        Panel(
            "Alerts that wait to be sent",
            "Above 0 for minutes: the receiver cannot be reached, and nobody was called.",
            (Query('sum by (receiver) (outrider_notifications_waiting{$by=~"$replica"})', "{{receiver}}"),),
            steps=((1, ORANGE),),
            empty="No receivers",
        ),
        Panel(
            "Slots or requests without a verdict",
            "Share of what could neither be called good nor bad. Much of it: the agent was not running, or its "
            "attempts were inconclusive, and the objective is blind.",
            (
                Query(
                    'sum by (slo) (rate(outrider_slo_unknown_events_total{$by=~"$replica"}[$__rate_interval])) '
                    '/ on (slo) (sum by (slo) (rate(outrider_slo_events_total{$by=~"$replica"}[$__rate_interval])) '
                    '+ sum by (slo) (rate(outrider_slo_unknown_events_total{$by=~"$replica"}[$__rate_interval])) > 0)',
                    "{{slo}}",
                ),
            ),
            unit="percentunit",
            steps=((0.1, ORANGE),),
            empty="No objectives",
        ),
    ),
)

SPANS = Row(
    "The way of spans",
    (
        Panel(
            "Received and delivered",
            "Spans per second. Delivered below received for long: the queue fills.",
            (
                Query('sum(rate(outrider_otlp_received_spans_total{$by=~"$replica"}[$__rate_interval]))', "received"),
                Query(
                    'sum by (dest) (rate(outrider_otlp_delivered_spans_total{$by=~"$replica"}[$__rate_interval]))',
                    "delivered to {{dest}}",
                ),
            ),
            unit="ops",
            empty="No receiver for spans",
        ),
        Panel(
            "Lost or refused",
            "Spans per second. dropped: given up here; rejected: the upstream will never take them; refused: the "
            "sender was told and may try again. docs/traces.md explains every reason.",
            (
                Query(
                    "sum by (dest, reason) "
                    '(rate(outrider_otlp_dropped_spans_total{$by=~"$replica"}[$__rate_interval]))',
                    "dropped {{dest}} {{reason}}",
                ),
                Query(
                    "sum by (dest, reason) "
                    '(rate(outrider_otlp_rejected_upstream_spans_total{$by=~"$replica"}[$__rate_interval]))',
                    "rejected {{dest}} {{reason}}",
                ),
                Query(
                    'sum by (reason) (rate(outrider_otlp_refused_spans_total{$by=~"$replica"}[$__rate_interval]))',
                    "refused {{reason}}",
                ),
            ),
            unit="ops",
            empty="No receiver for spans",
        ),
        Panel(
            "Spans in the queue",
            "Accepted and not yet delivered. It grows while the upstream is away, and shrinks after; a queue that only "
            "grows will be full.",
            (Query('sum by (dest) (outrider_otlp_queue_spans{$by=~"$replica"})', "{{dest}}"),),
            empty="No upstream",
        ),
        Panel(
            "Bytes in the queue",
            "Against traces.queue of the file: at its limit the oldest are dropped.",
            (Query('sum by (dest) (outrider_otlp_queue_bytes{$by=~"$replica"})', "{{dest}}"),),
            unit="bytes",
            empty="No upstream",
        ),
        Panel(
            "Age of the oldest span in the queue",
            "Above a minute: the upstream is away or slow. Retries beside tell what it answers.",
            (Query('max by (dest) (outrider_otlp_queue_oldest_seconds{$by=~"$replica"})', "{{dest}}"),),
            unit="s",
            steps=((60, ORANGE),),
            empty="No upstream",
        ),
        Panel(
            "Retries",
            "Attempts per second that will be tried again, by what the upstream answered. 429 and 503: it is "
            "overloaded; others are in docs/traces.md.",
            (
                Query(
                    'sum by (dest, code) (rate(outrider_otlp_retries_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{dest}} {{code}}",
                ),
            ),
            unit="ops",
            empty="No upstream",
        ),
    ),
)

_OURS = '__name__=~"outrider_.+",__name__!~"outrider_(probe|group|http|memory|postgres|redis)_.+",probe!=""'

FURTHER = Row(
    "Readings of further probes",
    (
        Panel(
            "Readings",
            "What probes of your own kinds read: WebSocket connections, CPU, workers, queues. What is bad is yours to "
            "say, with degraded_above and down_above.",
            (Query(f'{{$by=~"$replica",{_OURS},__name__!~".+_(total|info)"}}', "{{__name__}} {{probe}}"),),
            width=12,
            empty="Only built-in kinds of probes here",
        ),
        Panel(
            "Counters",
            "Counters that probes of your own kinds read, as they stand: failed logins, jobs, closed connections. A "
            "slope that steepens is the news.",
            (Query(f'{{$by=~"$replica",{_OURS},__name__=~".+_total"}}', "{{__name__}} {{probe}}"),),
            width=12,
            empty="Only built-in kinds of probes here",
        ),
    ),
)
