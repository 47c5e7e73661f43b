"""`outrider check`: is the configuration right, and what will it do, in sentences."""

import argparse
import json
import time
from collections.abc import Iterator

from agent.assemble import Plan
from agent.cli import OK
from agent.cli.open import add_config, open_plan
from agent.scheduler.reads import of_target
from agent.scheduler.tasks import Planned
from agent.scheduler.timetable import JITTER
from agent.slo import lint
from config.types import Duration

HELP = "Validate the configuration, explain it in sentences, and warn of what it may do to you."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, the schema, the form of the answer."""
    add_config(parser)
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the configuration instead")
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(args: argparse.Namespace) -> int:
    """Print what the file means. Exit codes: 0 it can be used, 78 it cannot."""
    if args.schema:
        from agent.assemble import schema

        print(json.dumps(schema(), indent=2))
        return OK
    opened = open_plan(args.config)
    said, warned = list(explain(opened.plan)), list(warnings(opened.plan))
    source = opened.loaded.source if opened.loaded else ""
    if args.json:
        print(json.dumps({"source": source, "explanation": said, "warnings": warned}, indent=2))
        return OK
    if source == "environment" and opened.loaded:
        print(f"# No file: this is what the environment amounts to.\n{opened.loaded.raw.decode()}")
    print(f"{source}: valid.\n")
    for line in said:
        print(line)
    for line in warned:
        print(f"\nwarning: {line}")
    return OK


def explain(plan: Plan) -> Iterator[str]:
    """What the plan does, one sentence a line."""
    file = plan.file
    yield f"Beside {file.service}: verdicts and metrics on {file.listen.public}, page and API on {file.listen.admin}."
    if not plan.probes:
        yield "No probes: the replica is always ready."
    for name, planned in plan.probes.items():
        yield f"{name} ({planned.member.type}{_at(planned)}): {_cadence(planned)} {_consequence(plan, planned)}"
        yield from (f"  {line}" for line in _thresholds(planned))
        if planned.member.depends_on:
            yield f"  its failing is explained by {', '.join(planned.member.depends_on)}, where that fails too"
    yield from _readiness(plan)
    yield from _telemetry(plan)
    yield from (f"SLO {lint.explain(objective)}." for objective in plan.objectives)
    if plan.objectives and not plan.notifiers:
        yield "Alerts are shown on the page and in the metrics only: no receivers."
    for route in plan.routes:
        what = ", ".join(f"{key}={value}" for key, value in route.match.items())
        whose = f"Alerts with {what}" if what else "All other alerts" if len(plan.routes) > 1 else "Alerts"
        yield f"{whose} go to {', '.join(route.to)}."
    if plan.notifiers and (sentence := _MODES.get(file.alerts.mode)):
        yield sentence
    if beat := file.heartbeat:
        yield f"While it judges and its alerts leave, {beat.url} hears of it every {beat.interval}."
    yield f"After a request to stop it serves on, unready, for {file.readiness.drain}."


_MODES = {
    "auto": "Nobody is told of what begins while Alertmanager lists OutriderWatchdog: then Prometheus calls.",
    "fleet": "Prometheus calls for the fleet: alerts of this replica have the label view=replica.",
}

_LASTING = {
    "process": "on disk and survives the death of the process, but no power loss",
    "host": "on disk and survives power loss",
}


def _telemetry(plan: Plan) -> Iterator[str]:
    """What is received, where it goes, how long it lives, and what is made of it."""
    traces = plan.file.traces
    if traces is None:
        return
    what = ", ".join(("Spans", *traces.pass_through))
    where = " and ".join(str(each) for each in (traces.receive.http, traces.receive.grpc) if each)
    yield f"{what} sent to {where} are forwarded to {', '.join(plan.senders)}."
    durability, queue = plan.file.durability, traces.queue
    if lasting := _LASTING.get(durability):
        yield f"  what waits is kept {lasting}: up to {queue.disk} and {queue.max_age}, in {plan.file.state_dir}"
    else:
        yield f"  what waits is kept in memory, up to {queue.memory}, and lost with the process"
    if traces.sample.value < 1:
        yield f"  {traces.sample} of the traces are forwarded; request metrics count all of them"
    if traces.redact:
        yield f"  values of {', '.join(traces.redact)} are replaced"
    if traces.metrics.enabled:
        kinds = " and ".join(traces.metrics.kinds)
        yield f"  {kinds} spans become request metrics, of up to {traces.metrics.routes} routes"


def warnings(plan: Plan) -> Iterator[str]:
    """What the owner may not have meant."""
    for name, planned in plan.probes.items():
        member = planned.member
        if member.when_down == "unready" and not member.shared and not _local(planned):
            yield (
                f"{name} is not on this machine: if all replicas use the same one, its outage takes every replica out "
                f"at once. Write `shared: true`, or `when_down: degraded`."
            )
        yield from _shared_warnings(plan, planned)
        yield from _unread(planned)
    for objective in plan.objectives:
        yield from lint.findings(objective)
    if plan.file.state_dir is None:
        yield "no `state_dir`: there is no last good configuration to start from when the file is bad."
    if plan.objectives and not plan.notifiers:
        yield "there are SLOs but no `alerts.receivers`: nobody is called."
    yield from _many_voices(plan)


def _many_voices(plan: Plan) -> Iterator[str]:
    """Receivers that every replica would tell, where there seem to be several."""
    peers = plan.file.readiness.peers
    if (peers is not None and peers.way != "prometheus") or not any(one.member.shared for one in plan.probes.values()):
        return
    for name, part in plan.notifiers.items():
        if part.cls.spoken and not part.cls.lease:
            way = "hear of no alerts through Prometheus" if peers else "do not know each other"
            yield f"the replicas {way}, so each of them tells {name} the same. Write `readiness.peers: {{dns: NAME}}`."


def _readiness(plan: Plan) -> Iterator[str]:
    """How the replica knows its peers, what they are asked, and the groups."""
    peers = plan.file.readiness.peers
    if peers is not None:
        where = {
            "dns": f"at every address of {peers.dns}, port {peers.port or plan.file.listen.public.port}",
            "urls": f"at {len(peers.urls)} fixed addresses",
            "redis": f"through keys in {peers.redis}",
            "prometheus": f"through {peers.prometheus}, later by its scrape interval (of 30s at most)",
        }[peers.way]
        yield f"The other replicas are heard every {peers.refresh}, {where}."
        yield f"All replicas together ask a shared target at most {peers.rate}."
    yield from (window.sentence(time.time()) for window in plan.windows)
    for name, group in plan.groups.items():
        yield f"/groups/{name} is 200 while {group.needed} of {', '.join(group.members)} work."


def _shared_warnings(plan: Plan, planned: Planned) -> Iterator[str]:
    """Where every replica may leave at once, or none ever."""
    readiness, member = plan.file.readiness, planned.member
    if not member.shared:
        return
    if member.when_down == "unready" and readiness.peers is None:
        if readiness.shared == "unready":
            yield (
                f"{member.name} is shared, `readiness.shared: unready`, and there are no peers to stay behind: its "
                f"outage takes every replica out at once. Write `readiness.peers`, or `shared: auto`."
            )
        elif readiness.shared == "auto":
            yield (
                f"{member.name} is shared and there is no peer view: while it is down the replica stays, ready and "
                f"degraded, also where only this replica cannot reach it. Write `readiness.peers`."
            )
    if member.when_down == "degraded" and readiness.fail_on_degraded:
        yield (
            f"{member.name} is shared and `readiness.fail_on_degraded` is true: its outage takes every replica out at "
            f"once. Write `when_down: unready`, which asks the peers, or `when_down: ignore`."
        )


def _unread(planned: Planned) -> Iterator[str]:
    """Thresholds that can never be crossed."""
    for bound in planned.bounds:
        if planned.reads == "never" and of_target(planned.cls, bound.reading):
            yield f"{planned.member.name} has a threshold on {bound.reading} and `readings: never`: it is never read."


def _local(planned: Planned) -> bool:
    target = planned.member.target
    return not target or any(word in target for word in ("127.", "localhost", "[::1]", "unix:", "/tmp/", "/run/"))  # noqa: S108 - compared


def _at(planned: Planned) -> str:
    return f" at {planned.member.target}" if planned.member.target else ""


def _cadence(planned: Planned) -> str:
    pace, member = planned.pace, planned.member
    every, fast, timeout = Duration(pace.interval), Duration(pace.fast), Duration(member.timeout)
    # The first failure is seen at the interval, those that confirm it at the fast one, each wait 10 % longer at most; a
    # confirming attempt that takes its whole timeout may hold up the next.
    late = 1 + JITTER
    confirming = (member.rules.failure_threshold - 1) * max(late * pace.fast, member.timeout)
    seconds = late * pace.interval + confirming + member.timeout
    return (
        f"asked every {every} (every {fast} while its state may change), {timeout} at most; down after "
        f"{member.rules.failure_threshold} failures in a row, {Duration(round(seconds, 1))} at the latest;"
    )


def _consequence(plan: Plan, planned: Planned) -> str:
    member = planned.member
    if member.when_down == "unready" and member.shared:
        return _shared_consequence(plan)
    words = {
        "unready": "then the replica is unready.",
        "degraded": "then the replica is degraded and stays ready.",
        "ignore": "then nothing follows for the replica.",
    }
    return words[member.when_down]


def _shared_consequence(plan: Plan) -> str:
    readiness = plan.file.readiness
    if readiness.shared == "unready":
        return "then the replica is unready, as far as enough others stay."
    if readiness.shared == "degrade" or readiness.peers is None:
        return "then the replica is degraded and stays ready, because the dependency is shared."
    return "then the replica is unready if its peers reach it, else degraded and ready."


def _thresholds(planned: Planned) -> Iterator[str]:
    for bound in planned.bounds:
        verb, side = "fails" if bound.outcome == "fail" else "warns", "above" if bound.above else "below"
        yield f"{verb} while {bound.reading} is {side} {bound.shown(bound.limit)}"
