"""The service board's rows on probes, and on what they read of dependencies and of the replica's memory."""

from agent.generate.dashboard import BLUE, GREEN, GREY, ORANGE, RED, Column, Panel, Query, Row

PROBES = Row(
    "Probes",
    (
        Panel(
            "State of each probe",
            "The worst of the replicas chosen above. Degraded warns and is still ready; down may take replicas out, as "
            "`when_down` of the probe says.",
            (
                Query(
                    'max by (probe) (sum by ($by, probe) (outrider_probe_state{$by=~"$replica",state="up"}) '
                    '+ 2 * sum by ($by, probe) (outrider_probe_state{$by=~"$replica",state="degraded"}) '
                    '+ 3 * sum by ($by, probe) (outrider_probe_state{$by=~"$replica",state="down"}))',
                    "{{probe}}",
                ),
            ),
            kind="state-timeline",
            width=12,
            words=((0, "unknown", GREY), (1, "up", GREEN), (2, "degraded", ORANGE), (3, "down", RED)),
            empty="No probes",
        ),
        Panel(
            "Why attempts failed",
            "Failed attempts in the time shown, by the phase they died in and the reason. docs/probes.md says what "
            "each reason means and what to do.",
            (
                Query(
                    "topk(20, sum by (probe, phase, reason) "
                    '(increase(outrider_probe_attempts_total{$by=~"$replica",outcome="fail"}[$__range])) > 0)'
                ),
            ),
            kind="table",
            width=12,
            columns=(
                Column("probe", "Probe"),
                Column("phase", "Phase"),
                Column("reason", "Reason"),
                Column("Value", "Attempts"),
            ),
            empty="No attempt failed",
        ),
        Panel(
            "Attempts that failed",
            "Share of attempts that failed. A steady few per cent is a dependency that is unsteady or too slow for its "
            "timeout; 100 % is down.",
            (
                Query(
                    'sum by (probe) (rate(outrider_probe_attempts_total{$by=~"$replica",outcome="fail"}'
                    "[$__rate_interval])) "
                    '/ (sum by (probe) (rate(outrider_probe_attempts_total{$by=~"$replica"}[$__rate_interval])) > 0)',
                    "{{probe}}",
                ),
            ),
            unit="percentunit",
            empty="No probes",
        ),
        Panel(
            "Duration of attempts",
            "p50 and p99 of the attempts that passed. A p99 that nears the timeout fails next; the panel beside shows "
            "in which phase the time goes.",
            (
                Query(
                    "histogram_quantile(0.5, sum by (probe, le) "
                    '(rate(outrider_probe_duration_seconds_bucket{$by=~"$replica"}[$__rate_interval])))',
                    "{{probe}} p50",
                ),
                Query(
                    "histogram_quantile(0.99, sum by (probe, le) "
                    '(rate(outrider_probe_duration_seconds_bucket{$by=~"$replica"}[$__rate_interval])))',
                    "{{probe}} p99",
                ),
            ),
            unit="s",
            empty="No attempt passed",
        ),
        Panel(
            "Where the time goes",
            "Mean time per attempt in each phase. Much in resolve is DNS, in connect or tls the network or a full "
            "backlog, later ones the server itself.",
            (
                Query(
                    "sum by (probe, phase) "
                    '(rate(outrider_probe_phase_seconds_total{$by=~"$replica"}[$__rate_interval])) '
                    "/ on (probe) group_left () "
                    '(sum by (probe) (rate(outrider_probe_attempts_total{$by=~"$replica"}[$__rate_interval])) > 0)',
                    "{{probe}} {{phase}}",
                ),
            ),
            unit="s",
            empty="No probes",
        ),
        Panel(
            "Since the last success",
            "Time since the probe last passed, on the replica where that is longest. It is a few intervals at most "
            "while all is well.",
            (
                Query(
                    'time() - min by (probe) (outrider_probe_last_success_timestamp_seconds{$by=~"$replica"} > 0)',
                    "{{probe}}",
                ),
            ),
            unit="s",
            empty="No attempt passed yet",
        ),
        Panel(
            "Certificates expire in",
            "Time until the server's certificate expires. Below 14 days: renew it, the automatic renewal has failed.",
            (Query('min by (probe) (outrider_http_certificate_expiry_seconds{$by=~"$replica"})', "{{probe}}"),),
            unit="s",
            base=RED,
            steps=((14 * 86400, GREEN),),
            empty="No probe over TLS",
        ),
    ),
)

DEPENDENCIES = Row(
    "Dependencies and memory",
    (
        Panel(
            "Pools: connections used",
            "Sessions as a share of what the server allows, of all its clients. Above 80 %: some client leaks or its "
            "pool is too large; at 100 % nobody else gets in.",
            (
                Query(
                    'max by (probe) (outrider_postgres_connections_used_ratio{$by=~"$replica"})',
                    "{{probe}} (PostgreSQL)",
                ),
                Query(
                    'max by (probe) (outrider_redis_connected_clients_used_ratio{$by=~"$replica"})', "{{probe}} (Redis)"
                ),
            ),
            unit="percentunit",
            steps=((0.8, ORANGE), (0.95, RED)),
            empty="No database probed",
        ),
        Panel(
            "Redis: errors",
            "Per second: probe attempts that failed, connections refused because maxclients was reached, keys evicted "
            "because memory was full. Any of them is felt by the service.",
            (
                Query(
                    "sum by (probe) (rate(outrider_probe_attempts_total"
                    '{$by=~"$replica",type="redis",outcome="fail"}[$__rate_interval]))',
                    "{{probe}} failed",
                ),
                Query(
                    'max by (probe) (rate(outrider_redis_rejected_connections_total{$by=~"$replica"}'
                    "[$__rate_interval]))",
                    "{{probe}} refused",
                ),
                Query(
                    'max by (probe) (rate(outrider_redis_evicted_keys_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{probe}} evicted",
                ),
            ),
            unit="ops",
            empty="No Redis probed",
        ),
        Panel(
            "PostgreSQL: replication lag",
            "Age of the last change that a standby has replayed. What is read there is that old; a lag that only "
            "grows is a standby that is lost.",
            (Query('max by (probe) (outrider_postgres_replication_lag_seconds{$by=~"$replica"})', "{{probe}}"),),
            unit="s",
            empty="No standby probed",
        ),
        Panel(
            "PostgreSQL: deadlocks",
            "Deadlocks found in the step shown. Each one cost a transaction: two code paths take the same locks in "
            "another order.",
            (
                Query(
                    'max by (probe) (increase(outrider_postgres_deadlocks_total{$by=~"$replica"}[$__rate_interval]))',
                    "{{probe}}",
                ),
            ),
            empty="No PostgreSQL probed",
        ),
        Panel(
            "Calls of databases, p95",
            "What the service waits for its databases, by its own client spans. Slow here and fast under “Duration of "
            "attempts”: the queries, not the server.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (system, peer, le) "
                    '(rate(outrider_span_database_duration_seconds_bucket{$by=~"$replica"}[$__rate_interval])))',
                    "{{system}} {{peer}}",
                ),
            ),
            unit="s",
            empty="No client spans of databases",
        ),
        Panel(
            "Calls of databases that failed",
            "Per second, by the service's own client spans. Errors here while the probe is up: the service's pool, "
            "credentials or statements.",
            (
                Query(
                    "sum by (system, peer) (rate(outrider_span_database_requests_total"
                    '{$by=~"$replica",status="error"}[$__rate_interval]))',
                    "{{system}} {{peer}}",
                ),
            ),
            unit="reqps",
            empty="No failed call of a database",
        ),
        Panel(
            "Memory used",
            "Share of the limit: of the replica's own cgroup or process, and of Redis. A line that only climbs is a "
            "leak; above 90 % the kernel is near to killing.",
            (
                Query('max by ($by, probe) (outrider_memory_used_ratio{$by=~"$replica"})', "{{$by}} {{probe}}"),
                Query('max by (probe) (outrider_redis_memory_used_ratio{$by=~"$replica"})', "{{probe}} (Redis)"),
            ),
            unit="percentunit",
            steps=((0.85, ORANGE), (0.95, RED)),
            empty="No probe of type memory or redis",
        ),
        Panel(
            "Memory pressure",
            "Share of the last minute in which some task waited for memory. Above a few per cent everything is slow, "
            "long before anything is killed.",
            (Query('max by ($by, probe) (outrider_memory_pressure_ratio{$by=~"$replica"})', "{{$by}} {{probe}}"),),
            unit="percentunit",
            steps=((0.1, RED),),
            empty="The kernel tells no pressure here",
        ),
        Panel(
            "Killed for want of memory",
            "Processes that the kernel killed in the time shown. Above 0: raise the limit or find the leak.",
            (Query('sum(increase(outrider_memory_oom_kills_total{$by=~"$replica"}[$__range]))'),),
            kind="stat",
            steps=((1, RED),),
            base=BLUE,
            empty="No probe of type memory",
        ),
    ),
)
