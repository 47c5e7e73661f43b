"""`outrider queue` shows what waits in the state folder, and changes nothing."""

import json
import subprocess
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from outrider.__main__ import main
from tests.agent.relay.disks import small_disk
from tests.agent.relay.journals import LOGS, A, B, delivered, entry, journal, put


def spans(number=1):
    """A request with one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes([number]) * 16, bytes([number]) * 8
    return request.SerializeToString()


@pytest.fixture
def file(tmp_path):
    """A configuration whose state folder is `state`."""
    path = tmp_path / "outrider.yaml"
    path.write_text(f"service: a\nprobes: {{}}\nstate_dir: {tmp_path / 'state'}\n")
    return str(path)


async def fill(folder):
    """Some of everything."""
    async with journal(folder, A, B, LOGS) as store:
        entries = [await put(store, A, B, body=bytes(1000), at=time.time() - 90) for _ in range(4)]
        store.settle(A, entries[:2], delivered(*entries[:2]))
        store.settle(B, entries[:1], {("rejected", "invalid"): 10})
        store.settle(B, entries[1:2], {("dropped", "too_old"): 10})
        store.quarantine(B, entry(store, body=spans(7), items=1), "400: bad \x1b[31m span")
        store.learn(A, 65536)


async def test_a_table_and_the_state_of_the_books(file, tmp_path, capsys):
    """What is queued where, how old, what became of the rest, what was refused for good."""
    await fill(tmp_path / "state")
    assert main(["queue", "inspect", "-c", file]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert " ".join(head.split()) == "DEST SIGNAL QUEUED ITEMS BYTES OLDEST ACCEPTED DELIVERED REJECTED DROPPED"
    by_lane = {tuple(line.split()[:2]): line.split() for line in lines if line}
    assert by_lane["a", "traces"][2:6] == ["2", "20", "1.95", "KiB"]
    assert by_lane["a", "traces"][-4:] == ["40", "20", "0", "0"]
    assert by_lane["b", "traces"][-4:] == ["40", "0", "10", "10"]
    assert by_lane["a", "logs"][2:4] == ["0", "0"]
    assert "b (traces): rejected 10 invalid" in lines
    assert "b (traces): dropped 10 too_old" in lines
    assert "a (traces): takes no more than 64 KiB at once, as was learnt" in lines
    assert any("07" * 16 in line and "400: bad  [31m span" in line for line in lines)
    assert lines[-1].startswith("The books balance")


async def test_json_has_everything(file, tmp_path, capsys):
    """For tools: numbers in base units."""
    await fill(tmp_path / "state")
    assert main(["queue", "inspect", "--json", "-c", file]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["balanced"]
    assert document["received_items"] == {"traces/http": 40}
    first = document["queues"][0]
    assert 80 < first.pop("oldest_seconds") < 600
    assert first == {
        "dest": "a",
        "signal": "traces",
        "requests": 2,
        "items": 20,
        "bytes": 2000,
        "accepted": 40,
        "delivered": 20,
        "rejected": {},
        "dropped": {},
        "learnt_merge_bytes": 65536,
        "gone_since": None,
    }
    [refused] = document["quarantine"]
    assert (refused["number"], refused["kept"], refused["first_trace_id"]) == (1, True, "07" * 16)


async def test_it_reads_beside_a_running_agent(file, tmp_path, capsys):
    """What is in the log and not yet in the file counts too, and the agent goes on writing."""
    async with journal(tmp_path / "state", A) as store:
        await put(store)
        assert main(["queue", "inspect", "--json", "-c", file]) == 0
        assert json.loads(capsys.readouterr().out)["queues"][0]["requests"] == 1
        await put(store)
        assert main(["queue", "inspect", "--json", "-c", file]) == 0
        assert json.loads(capsys.readouterr().out)["queues"][0]["requests"] == 2


async def test_nothing_is_changed(file, tmp_path, capsys):
    """Not one byte of the file, and no new files beside it."""
    await fill(tmp_path / "state")
    before = {path: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    assert main(["queue", "inspect", "-c", file]) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "state").iterdir()} == before


async def test_a_read_only_folder_is_enough(tmp_path, capsys):
    """A volume that was mounted read-only to look at."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        await fill(disk / "state")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert main(["queue", "inspect", "--state-dir", str(disk / "state")]) == 0
    assert "The books balance" in capsys.readouterr().out


async def test_one_refused_request_as_it_was(file, tmp_path, capfdbinary):
    """Its bytes, for protoc or a replay; an unknown number is 64 and told which there are."""
    await fill(tmp_path / "state")
    assert main(["queue", "quarantine", "1", "-c", file]) == 0
    assert capfdbinary.readouterr().out == spans(7)
    assert main(["queue", "quarantine", "9", "-c", file]) == 64
    assert b"there is no number 9 in quarantine; there are: 1" in capfdbinary.readouterr().err


async def test_books_that_do_not_balance_are_1(file, tmp_path, capsys):
    """Said in numbers; a bug of ours, and worth a report."""
    await fill(tmp_path / "state")
    async with journal(tmp_path / "state", A, B, LOGS) as store:
        spoil = "UPDATE account SET value = 41 WHERE kind = 'accepted' AND lane = 1"
        await store._database.write(lambda db: db.execute(spoil).rowcount)
        assert main(["queue", "inspect", "-c", file]) == 1
        assert "wrong: a (traces) does not balance: accepted 41, settled 20, queued 20" in capsys.readouterr().out
        await store._database.write(lambda db: db.execute(spoil.replace("41", "40")).rowcount)


def test_nothing_there_is_said(file, tmp_path, capsys):
    """No folder, no file: 0, in words and as JSON."""
    assert main(["queue", "inspect", "-c", file]) == 0
    assert "Nothing was ever queued" in capsys.readouterr().out
    bare = tmp_path / "bare.yaml"
    bare.write_text("service: a\nprobes: {}\n")
    assert main(["queue", "inspect", "-c", str(bare)]) == 0
    assert "in memory only" in capsys.readouterr().out
    assert main(["queue", "inspect", "--json", "-c", str(bare)]) == 0
    assert json.loads(capsys.readouterr().out)["queues"] == []
    assert main(["queue", "quarantine", "1", "-c", str(bare)]) == 64


@pytest.mark.parametrize("content", [b"no database at all" * 300, b""])
def test_a_file_that_cannot_be_read_is_1(file, tmp_path, capsys, content):
    """In one line, without a traceback."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "outrider.db").write_bytes(content)
    assert main(["queue", "inspect", "-c", file]) == 1
    assert str(tmp_path / "state" / "outrider.db") in capsys.readouterr().err


def test_wrong_use_is_64(capsys):
    """No word, or an unknown one."""
    assert main(["queue"]) == 64
    assert main(["queue", "look"]) == 64
