"""The relay as the API shows it: what came in, and where each destination stands, in words and numbers."""

from typing import TYPE_CHECKING

from agent.relay.destination import Destination
from agent.relay.entry import Signal
from agent.relay.lane import Lane

if TYPE_CHECKING:
    from agent.relay.relay import Relay


def pipeline(relay: "Relay") -> dict[str, object]:
    """The whole of it. Other signals than spans are shown where they are carried."""
    store, limits, ledger = relay.store, relay.limits, relay.ledger
    view: dict[str, object] = {
        "received_spans": dict(ledger.received),
        "refused_spans": dict(ledger.refused),
        "durability": relay.durability,
        "storage_degraded": bool(store.trouble),
        "storage": {
            "trouble": store.trouble,
            "bytes": store.bytes,
            "capacity_bytes": limits.disk if store.durable else 0,
        },
        "memory": {"bytes": relay.memory.bytes, "capacity_bytes": limits.memory},
        "destinations": {name: _destination(one, limits.memory) for name, one in relay.destinations.items()},
    }
    others = {signal: ledger.incoming[signal] for signal in relay.signals if signal is not Signal.TRACES}
    if others:
        view["signals"] = {
            signal.value: {"received_items": dict(incoming.received), "refused_items": dict(incoming.refused)}
            for signal, incoming in others.items()
        }
    return view


def _destination(destination: Destination, capacity: int) -> dict[str, object]:
    """Its spans, and below them the other signals."""
    now = destination.clock()
    view: dict[str, object] = {}
    others: dict[str, object] = {}
    for signal, lane in destination.lanes.items():
        if signal is Signal.TRACES:
            view = {**_lane(lane, "spans", now), "queue_capacity_bytes": capacity}
        else:
            others[signal.value] = _lane(lane, "items", now)
    return {**view, "signals": others} if others else view


def _lane(lane: Lane, items: str, now: float) -> dict[str, object]:
    account, queue, breaker = lane.account, lane.queue, lane.breaker
    return {
        "state": "failing" if breaker.failures else "delivering" if queue.items else "idle",
        "trouble": breaker.trouble,
        "failures": breaker.failures,
        "breaker": "open" if breaker.failures else "closed",
        "next_attempt_seconds": breaker.next_at and round(max(0.0, breaker.next_at - now), 3),
        f"accepted_{items}": account.accepted,
        f"delivered_{items}": account.delivered,
        f"rejected_upstream_{items}": {reason: number for reason, number in account.rejected.items() if number},
        f"dropped_{items}": {reason: number for reason, number in account.dropped.items() if number},
        f"recovered_{items}": account.recovered,
        f"queue_{items}": queue.items,
        f"backlog_{items}": queue.backlog_items,
        "queue_bytes": queue.bytes,
        "queue_oldest_seconds": round(queue.oldest_seconds(), 3),
        "learnt_merge_bytes": account.learnt or None,
        "last_delivery_seconds_ago": lane.delivered_at and round(now - lane.delivered_at, 3),
    }
