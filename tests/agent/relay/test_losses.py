"""What the ledger counts against a destination."""

from agent.relay.entry import Signal
from agent.relay.ledger import Account, Ledger
from agent.relay.memory import Memory
from agent.relay.queue import Queue
from agent.relay.store import LaneKey


def test_what_nobody_wanted_is_a_loss():
    """Of all signals together; what was sampled, removed or left at the end was wanted, and a retry loses nothing."""
    ledger = Ledger()
    for signal in (Signal.TRACES, Signal.LOGS):
        account = Account(Queue(Memory(1_000_000)))
        account.dropped.update(queue_full=2, sampled=50, removed=50, shutdown=50)
        account.rejected.update(invalid=3, auth=1)
        account.retries.update({"auth": 4, "503": 50})
        ledger.lanes[LaneKey(signal, "gateway")] = account
    assert {why: n for why, n in ledger.losses()["gateway"].items() if n} == {"queue_full": 4, "invalid": 6, "auth": 10}
