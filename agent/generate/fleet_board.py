"""The board of all replicas of all services: is it one or is it everyone, and are the agents themselves well."""

from agent.generate.dashboard import ORANGE, RED, Board, Choice, Column, Panel, Query, Row
from agent.generate.fleet_agents import AGENTS
from agent.generate.fleet_words import OF_SERVICE, by_service

_REPLICAS = Row(
    "Replicas",
    (
        Panel(
            "Services",
            "Every service that has an Outrider beside it. Fewer ready than replicas: open the service's board.",
            (
                Query(by_service("count", "outrider_ready")),
                Query(by_service("sum", "outrider_ready")),
                Query(by_service("sum", "outrider_draining")),
                Query(by_service("sum", "outrider_peer_wants_out")),
                Query(by_service("sum", "outrider_readiness_brake_open")),
                Query(by_service("sum", "outrider_unjudged")),
            ),
            kind="table",
            width=24,
            columns=(
                Column("service", "Service"),
                Column("Value #A", "Replicas"),
                Column("Value #B", "Ready"),
                Column("Value #C", "Draining"),
                Column("Value #D", "Want out"),
                Column("Value #E", "Held by the brake"),
                Column("Value #F", "Unjudged"),
            ),
            empty="No replica is scraped",
        ),
        Panel(
            "Share of replicas that are ready",
            "A dip of one replica's size is a restart. All the way down is an outage: `shared` was not told of a "
            "dependency that all replicas use, or the service itself is down everywhere.",
            (Query(by_service("avg", "outrider_ready"), "{{service}}"),),
            unit="percentunit",
            width=12,
            empty="No replica is scraped",
        ),
        Panel(
            "Changes of readiness",
            "In the step shown, by service. A deploy makes one wave; without one, replicas flap.",
            (
                Query(
                    by_service("sum", "increase(outrider_ready_changes_total[$__rate_interval])"),
                    "{{service}}",
                ),
            ),
            width=12,
            empty="No replica is scraped",
        ),
    ),
)

_SHARED = Row(
    "One or everyone",
    (
        Panel(
            "For how many a dependency is down",
            "Share of a service's replicas that see the probe down. 100 %: the dependency itself. A small share: the "
            "path of these replicas, which their own Outrider takes out.",
            (
                Query(
                    f'avg by (service, probe) (outrider_probe_state{{state="down"}} {OF_SERVICE}) > 0',
                    "{{service}} {{probe}}",
                ),
            ),
            unit="percentunit",
            width=12,
            steps=((0.5, RED),),
            empty="No probe is down anywhere",
        ),
        Panel(
            "Replicas that see a dependency down",
            "The same as a number, now. The same name under several services is one fault, not several.",
            (
                Query(f'sum by (probe, service) (outrider_probe_state{{state="down"}} {OF_SERVICE}) > 0'),
                Query(f'sum by (probe, service) (outrider_probe_state{{state="degraded"}} {OF_SERVICE}) > 0'),
            ),
            kind="table",
            width=12,
            columns=(
                Column("probe", "Probe"),
                Column("service", "Service"),
                Column("Value #A", "Down for"),
                Column("Value #B", "Degraded for"),
            ),
            empty="No probe is down or degraded anywhere",
        ),
        Panel(
            "Held by the brake, and wanting out",
            "Replicas that would leave for a shared fault, and those that the brake holds. Both above 0 is a shared "
            "outage in which the brake does its work: mend the dependency, not the replicas.",
            (
                Query(by_service("sum", "outrider_peer_wants_out"), "{{service}} want out"),
                Query(by_service("sum", "outrider_readiness_brake_open"), "{{service}} held"),
            ),
            steps=((1, ORANGE),),
            empty="No replica has peers",
        ),
        Panel(
            "Peers that are believed",
            "Of those known, the share whose view is fresh. Below half, “me or everyone” cannot be told, and replicas "
            "stay degraded and ready: look at the network between them.",
            (
                Query(
                    f"{by_service('sum', 'outrider_peers_fresh')} / ({by_service('sum', 'outrider_peers_known')} > 0)",
                    "{{service}}",
                ),
            ),
            unit="percentunit",
            empty="No replica knows of peers",
        ),
        Panel(
            "Isolated replicas",
            "Replicas that know of others and hear none. One: its own network. Many: readiness.peers names something "
            "that does not answer, or a NetworkPolicy stands between.",
            (Query(by_service("sum", "outrider_peers_isolated"), "{{service}}"),),
            steps=((1, RED),),
            empty="No replica has peers",
        ),
        Panel(
            "Looks at peers that failed",
            "In the step shown. refused: their tokens differ; malformed: something else answers there; failed: nobody "
            "does.",
            (
                Query(
                    "sum by (service, outcome) "
                    f'(increase(outrider_peer_requests_total{{outcome!="ok"}}[$__rate_interval]) {OF_SERVICE}) > 0',
                    "{{service}} {{outcome}}",
                ),
            ),
            empty="None failed",
        ),
    ),
)

FLEET = Board(
    "outrider-fleet",
    "Outrider: fleet",
    "All replicas of all services: who is ready, which dependency fails for how many, and how the agents are.",
    (Choice("service", "Service", "label_values(outrider_info, service)"),),
    (_REPLICAS, _SHARED, AGENTS),
)
