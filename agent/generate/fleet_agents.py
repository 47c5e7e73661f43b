"""The fleet board's row on the agents themselves: are they well enough to be believed."""

from agent.generate.dashboard import GREEN, ORANGE, RED, Column, Panel, Query, Row
from agent.generate.fleet_words import OF_SERVICE, by_service, counted

AGENTS = Row(
    "The agents themselves",
    (
        Panel(
            "Lag of the loop",
            "The ten worst. Above 0.25 s an agent is starved of CPU: its timeouts count as inconclusive. Give it "
            "more, or ask less often.",
            (
                Query(
                    f"topk(10, max by (service, instance) (outrider_event_loop_lag_seconds {OF_SERVICE}))",
                    "{{service}} {{instance}}",
                ),
            ),
            unit="s",
            steps=((0.25, RED),),
            empty="No replica is scraped",
        ),
        Panel(
            "Restarts of tasks",
            "In the step shown. Tasks that restart touch no verdict; the log of the agent says what they stumble over.",
            (counted("outrider_task_restarts_total", "task"),),
            empty="No task was restarted",
        ),
        Panel(
            "Restarts of agents",
            "How often counters began anew in the time shown, by target: restarts of the container. More than deploys "
            "explain: out of memory or a failing start; see its log.",
            (
                Query(
                    "sort_desc(max by (service, instance) "
                    f'(resets(outrider_http_requests_total{{path="/metrics",code="200"}}[$__range]) {OF_SERVICE}))'
                ),
            ),
            kind="table",
            columns=(Column("service", "Service"), Column("instance", "Instance"), Column("Value", "Restarts")),
            empty="No replica is scraped",
        ),
        Panel(
            "Configuration that is not in force",
            "Replicas whose newest file on disk was refused; they go on with the one before. Their log says what is "
            "wrong with it, as does `outrider check`.",
            (Query(by_service("sum", "(1 - outrider_config_last_reload_successful)"), "{{service}}"),),
            steps=((1, RED),),
            empty="No replica is scraped",
        ),
        Panel(
            "Age of the configuration",
            "Since the file in force was loaded, youngest and oldest replica of each service. Apart for long after a "
            "change: some replica did not take it.",
            (
                Query(
                    f"time() - {by_service('max', 'outrider_config_last_reload_success_timestamp_seconds')}",
                    "{{service}} youngest",
                ),
                Query(
                    f"time() - {by_service('min', 'outrider_config_last_reload_success_timestamp_seconds')}",
                    "{{service}} oldest",
                ),
            ),
            unit="s",
            empty="No replica is scraped",
        ),
        Panel(
            "Versions",
            "Replicas by version of Outrider. More than one outside of a rollout: somebody was forgotten.",
            (Query(f"count by (version, python) (outrider_build_info {OF_SERVICE})"),),
            kind="table",
            columns=(Column("version", "Outrider"), Column("python", "Python"), Column("Value", "Replicas")),
            empty="No replica is scraped",
        ),
        Panel(
            "State folders in trouble",
            "degraded: the folder cannot be written, so memory has to do and a restart forgets. set aside: a damaged "
            "file was replaced. Look at the volume: full, read-only, or of another user.",
            (
                Query(by_service("sum", "outrider_state_degraded"), "{{service}} degraded"),
                Query(by_service("sum", "outrider_state_set_aside_total"), "{{service}} set aside"),
            ),
            steps=((1, RED),),
            empty="No replica has a state folder",
        ),
        Panel(
            "Ticks skipped, attempts stuck",
            "In the step shown, by probe. Skipped: the agent was late or the attempt before still ran. Stuck: a "
            "probe's driver ignores its cancellation.",
            (
                counted("outrider_probe_skipped_total", "probe"),
                Query(
                    f"sum by (service, probe) (increase(outrider_probe_stuck_tasks_total[$__rate_interval]) "
                    f"{OF_SERVICE}) > 0",
                    "{{service}} {{probe}} stuck",
                ),
            ),
            empty="None",
        ),
        Panel(
            "Samples left off the metrics page",
            "Above 0 what the boards show is incomplete. source: a part failed when it was asked, and its traceback "
            "is in the log; duplicate, malformed: a plug-in says something twice or wrongly.",
            (Query(f"sum by (service, reason) (outrider_metrics_left_off {OF_SERVICE})", "{{service}} {{reason}}"),),
            steps=((1, RED),),
            empty="No replica is scraped",
        ),
        Panel(
            "Asked for readiness",
            "Answers of /readyz per second and code. None at all: neither the kubelet nor a balancer asks, and an "
            "unready replica gets its traffic all the same.",
            (
                Query(
                    "sum by (service, code) "
                    f'(rate(outrider_http_requests_total{{path="/readyz"}}[$__rate_interval]) {OF_SERVICE})',
                    "{{service}} {{code}}",
                ),
            ),
            unit="reqps",
            empty="Nobody asks /readyz",
        ),
        Panel(
            "Alerts that wait to be sent",
            "By receiver. Above 0 for minutes: it cannot be reached, and nobody was called.",
            (
                Query(
                    f"sum by (service, receiver) (outrider_notifications_waiting {OF_SERVICE})",
                    "{{service}} {{receiver}}",
                ),
            ),
            steps=((1, ORANGE),),
            empty="No receivers",
        ),
        Panel(
            "Spans lost",
            "Dropped here or refused for good by the upstream, in the time shown. docs/traces.md explains every "
            "reason.",
            (
                Query(
                    f"sum by (service) (increase(outrider_otlp_dropped_spans_total[$__range]) {OF_SERVICE})",
                    "{{service}} dropped",
                ),
                Query(
                    f"sum by (service) (increase(outrider_otlp_rejected_upstream_spans_total[$__range]) {OF_SERVICE})",
                    "{{service}} rejected",
                ),
            ),
            kind="stat",
            base=GREEN,
            steps=((1, RED),),
            empty="No receiver for spans",
        ),
    ),
)
