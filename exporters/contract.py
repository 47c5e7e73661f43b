"""THE table of metric names: what each means, its labels in order, its kind. Nothing is exported that is not here.

A few families are made by rule, in `exporters/families`, because their labels, names or buckets are the user's. Label
values are from closed or bounded sets, always.
"""

from typing import Literal, NamedTuple

MetricKind = Literal["gauge", "counter", "histogram"]

#: Base units a name may end with; numbers without one of them are counts.
UNITS = ("seconds", "bytes", "ratio")

#: Upper bounds, in seconds, of a probe's duration: few, because each costs a series per probe.
PROBE_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, float("inf"))

#: Upper bounds, in seconds, of calls of a database: some of db.client.operation.duration's in the conventions.
DATABASE_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 5.0, float("inf"))


class Metric(NamedTuple):
    """One family. Counters end in `_total`; units are base units (seconds, bytes, ratio)."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The base unit that its name ends with: seconds, bytes, ratio, or nothing."""
        stem = self.name.removesuffix("_total")
        return next((unit for unit in UNITS if stem.endswith(f"_{unit}")), "")


def _table(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS = _table(
    Metric("outrider_probe_up", "gauge", "1 while the probe's state is up or degraded.", ("probe", "type")),
    Metric(
        "outrider_probe_state",
        "gauge",
        "Exactly one of unknown, up, degraded and down is 1; the overlays stale, flapping and maintenance are extra.",
        ("probe", "type", "state"),
    ),
    Metric(
        "outrider_probe_attempts_total",
        "counter",
        "Attempts by how they ended; the base for success rates.",
        ("probe", "type", "path", "phase", "outcome", "reason"),
    ),
    Metric(
        "outrider_probe_duration_seconds",
        "histogram",
        "Duration of attempts that passed.",
        ("probe", "type"),
        PROBE_BUCKETS,
    ),
    Metric(
        "outrider_probe_phase_seconds_total",
        "counter",
        "Time spent in each phase of the attempts.",
        ("probe", "phase"),
    ),
    Metric(
        "outrider_probe_last_success_timestamp_seconds",
        "gauge",
        "When the probe last passed, in Unix time.",
        ("probe",),
    ),
    Metric(
        "outrider_probe_last_duration_seconds",
        "gauge",
        "Duration of the newest attempt, whether it passed or not.",
        ("probe",),
    ),
    Metric("outrider_probe_skipped_total", "counter", "Ticks skipped: the agent was late or busy.", ("probe",)),
    Metric(
        "outrider_probe_stuck_tasks_total",
        "counter",
        "Attempts that ignored their cancellation and were abandoned.",
        ("probe",),
    ),
    Metric(
        "outrider_heartbeats_total",
        "counter",
        "Heartbeats accepted, by what the job said: ok, fail or start.",
        ("probe", "said"),
    ),
    Metric("outrider_ready", "gauge", "1 while this replica says it may get traffic."),
    Metric(
        "outrider_ready_changes_total",
        "counter",
        "Changes of outrider_ready since the start, which is unready; those between two scrapes too.",
    ),
    Metric("outrider_live", "gauge", "1 while the agent's own loop turns."),
    Metric("outrider_readiness_brake_open", "gauge", "1 while readiness is held open against a shared fault."),
    Metric("outrider_readiness_weight_ratio", "gauge", "This replica's share of the traffic, 1 for an equal one."),
    Metric("outrider_readiness_overridden", "gauge", "1 while a person's word counts for more than the members."),
    Metric("outrider_group_ready", "gauge", "1 while enough of a group's members work.", ("group",)),
    Metric(
        "outrider_http_requests_total",
        "counter",
        "Requests to the public and the admin listener; all paths that do not exist are `other`.",
        ("path", "code"),
    ),
    Metric("outrider_unjudged", "gauge", "1 while no valid configuration is in force and nothing is judged."),
    Metric("outrider_draining", "gauge", "1 from the first request to stop."),
    Metric(
        "outrider_peer_requests_total",
        "counter",
        "Looks at one other replica each, or at where it leaves word, by how they ended.",
        ("outcome",),
    ),
    Metric("outrider_peers_known", "gauge", "Other replicas known to exist, silent or not."),
    Metric("outrider_peers_fresh", "gauge", "Other replicas whose view is believed now."),
    Metric("outrider_peers_isolated", "gauge", "1 while other replicas are known and none of them answers."),
    Metric("outrider_peer_info", "gauge", "1, with the name that peers know this replica by.", ("service", "identity")),
    Metric("outrider_peer_wants_out", "gauge", "1 while this replica would leave for a shared fault if it could."),
    Metric("outrider_otlp_received_spans_total", "counter", "Spans accepted from the service.", ("transport",)),
    Metric(
        "outrider_otlp_refused_spans_total",
        "counter",
        "Spans refused before they were accepted; the sender was told.",
        ("reason",),
    ),
    Metric(
        "outrider_otlp_refused_requests_total",
        "counter",
        "Requests refused whose spans cannot be counted.",
        ("transport", "code"),
    ),
    Metric(
        "outrider_otlp_recovered_spans_total",
        "counter",
        "Spans that an earlier process had accepted and left on disk.",
        ("dest",),
    ),
    Metric("outrider_otlp_delivered_spans_total", "counter", "Spans the upstream accepted.", ("dest",)),
    Metric(
        "outrider_otlp_rejected_upstream_spans_total",
        "counter",
        "Spans the upstream refused for good.",
        ("dest", "reason"),
    ),
    Metric("outrider_otlp_dropped_spans_total", "counter", "Spans given up here.", ("dest", "reason")),
    Metric("outrider_otlp_queue_spans", "gauge", "Spans accepted and not yet delivered.", ("dest",)),
    Metric("outrider_otlp_queue_bytes", "gauge", "Bytes accepted and not yet delivered.", ("dest",)),
    Metric("outrider_otlp_queue_oldest_seconds", "gauge", "Age of the oldest span in the queue.", ("dest",)),
    Metric("outrider_otlp_inflight_requests", "gauge", "Requests on their way to the upstream.", ("dest",)),
    Metric("outrider_otlp_retries_total", "counter", "Attempts that will be tried again.", ("dest", "code")),
    Metric(
        "outrider_otlp_partial_success_total",
        "counter",
        "Answers in which the upstream accepted a part, or warned.",
        ("dest",),
    ),
    Metric(
        "outrider_span_requests_total",
        "counter",
        "Requests by the spans they left, before sampling; status is ok or error.",
        ("service", "route", "kind", "status"),
    ),
    Metric(
        "outrider_span_exceptions_total",
        "counter",
        "Exception events in spans, by the route of the request around them where it is known.",
        ("type", "route"),
    ),
    Metric(
        "outrider_span_left_out_total",
        "counter",
        "Spans counted in part: late (offered to no objective), time_invalid (no duration, offered to no objective).",
        ("reason",),
    ),
    Metric(
        "outrider_span_database_requests_total",
        "counter",
        "Calls of databases by the service's client spans; status is ok or error.",
        ("system", "peer", "status"),
    ),
    Metric(
        "outrider_span_database_duration_seconds",
        "histogram",
        "Duration of calls of databases, as the service saw it.",
        ("system", "peer"),
        DATABASE_BUCKETS,
    ),
    Metric(
        "outrider_otlp_passed_items_total",
        "counter",
        "Data points and log records, where they are passed through, by what became of them.",
        ("signal", "dest", "outcome"),
    ),
    Metric(
        "outrider_otlp_queue_items",
        "gauge",
        "Data points and log records accepted and not yet delivered.",
        ("signal", "dest"),
    ),
    Metric("outrider_state_degraded", "gauge", "1 while the state folder cannot be written and memory has to do."),
    Metric("outrider_state_set_aside_total", "counter", "Damaged files of the state folder that were set aside."),
    Metric("outrider_slo_events_total", "counter", "Events counted for the objective.", ("service", "slo")),
    Metric("outrider_slo_bad_events_total", "counter", "Events that burn the error budget.", ("service", "slo")),
    Metric(
        "outrider_slo_unknown_events_total",
        "counter",
        "Slots in which nothing could be told: neither good nor bad.",
        ("service", "slo"),
    ),
    Metric(
        "outrider_slo_corrupt_total",
        "counter",
        "Attempts whose counters could not be counted: more bad events than events, or no bucket at the limit.",
        ("service", "slo"),
    ),
    Metric("outrider_slo_objective_ratio", "gauge", "The objective.", ("service", "slo")),
    Metric("outrider_slo_alert_factor", "gauge", "Burn rate at which a window pair fires.", ("service", "slo", "pair")),
    Metric(
        "outrider_slo_burn_rate",
        "gauge",
        "Error ratio over the window divided by the error budget; 1 spends the budget exactly.",
        ("service", "slo", "window"),
    ),
    Metric(
        "outrider_slo_error_budget_remaining_ratio",
        "gauge",
        "Share of the period's error budget that is left; below 0 when overspent.",
        ("service", "slo"),
    ),
    Metric(
        "outrider_slo_time_to_exhaustion_seconds",
        "gauge",
        "How long the error budget lasts at the burn rate of the quickest pair's long window; +Inf when nothing burns.",
        ("service", "slo"),
    ),
    Metric(
        "outrider_slo_coverage_ratio",
        "gauge",
        "Share of the window of which something is known: what was not seen can burn nothing.",
        ("service", "slo", "window"),
    ),
    Metric(
        "outrider_slo_last_evaluation_timestamp_seconds",
        "gauge",
        "When the objectives were last evaluated and what came of it passed on, in Unix time.",
    ),
    Metric(
        "outrider_slo_info",
        "gauge",
        "1, with what a person who is called needs to know of the objective.",
        ("service", "slo", "window", "runbook_url"),
    ),
    Metric(
        "outrider_alert_state",
        "gauge",
        "0 inactive, 1 pending, 2 firing, 3 suppressed, 4 stale. Without an objective: only while it is not 0.",
        ("service", "alert", "severity"),
    ),
    Metric("outrider_alerts_quiet", "gauge", "1 while Prometheus calls and this agent tells nobody of what begins."),
    Metric(
        "outrider_notifications_total",
        "counter",
        "Attempts to notify a receiver by how they ended.",
        ("receiver", "outcome"),
    ),
    Metric("outrider_notifications_waiting", "gauge", "Alerts accepted and not yet sent.", ("receiver",)),
    Metric(
        "outrider_outbox_oldest_seconds",
        "gauge",
        "How long the alert has waited that has waited longest; 0 when none waits.",
        ("receiver",),
    ),
    Metric(
        "outrider_heartbeats_sent_total",
        "counter",
        "Heartbeats of the agent itself: ok, failed, or withheld because it does not judge, or alerts do not leave.",
        ("outcome",),
    ),
    Metric("outrider_task_restarts_total", "counter", "Restarts of tasks that never touch a verdict.", ("task",)),
    Metric("outrider_event_loop_lag_seconds", "gauge", "Worst delay of the agent's own loop in the last 10 s."),
    Metric("outrider_config_last_reload_successful", "gauge", "1 when the newest file on disk is the one in force."),
    Metric(
        "outrider_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration in force was loaded, in Unix time.",
    ),
    Metric("outrider_build_info", "gauge", "1, with the version as a label.", ("version", "python")),
    Metric(
        "outrider_metrics_left_off",
        "gauge",
        "Samples missing on this page: doubles, malformed ones, and sources that failed (counted once each).",
        ("reason",),
    ),
)
