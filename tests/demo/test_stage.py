"""What the demo needs before it starts anything, and what it does when something will not start."""

import asyncio
import socket

import pytest

from agent.demo import files, stage
from agent.demo.process import ServerError, free_port
from agent.demo.stage import NotPossibleError, Stage, check_packages, check_ports


def test_a_missing_extra_is_named(monkeypatch):
    """One sentence: what is missing, and the command that installs it."""
    check_packages()
    monkeypatch.setattr(stage, "PACKAGES", ("rich", "no_such_package"))
    with pytest.raises(NotPossibleError, match=r"no_such_package .*pip install 'outrider\[demo\]'"):
        check_packages()


@pytest.mark.parametrize("taken", ["public", "admin", "otlp"])
def test_each_port_in_use_names_its_setting(taken):
    """The port, the setting that needs it, and the option that chooses another."""
    settings = {"public": "listen.public", "admin": "listen.admin", "otlp": "traces.receive.http"}
    with socket.create_server(("127.0.0.1", 0)) as held:
        ports = {name: free_port() for name in settings} | {taken: held.getsockname()[1]}
        with pytest.raises(NotPossibleError, match=f"{ports[taken]} .*{settings[taken]} .*outrider demo --{taken} "):
            check_ports(files.Ports(**ports))


@pytest.fixture
def said():
    """What the stage said while it started."""
    return []


@pytest.fixture
def empty(tmp_path, said):
    """A stage on which nothing has started."""
    return Stage(tmp_path, files.Ports(free_port(), free_port(), free_port()), said.append)


async def test_a_server_that_cannot_start_is_named_and_nothing_stays(empty, said):
    """The error says which and why; everything before it is ended, and no script finds addresses."""
    with socket.create_server(("127.0.0.1", empty.valkey.port)):
        with pytest.raises(ServerError, match=f"valkey cannot start: port {empty.valkey.port} is in use"):
            await empty.start()
        assert empty.postgres.running
        await empty.close()
    assert not empty.postgres.running
    assert said[-1] == "failed\n"
    assert list(empty.home.iterdir()) == []


async def test_a_start_that_hangs_does_not_hold_up_the_end(empty, monkeypatch):
    """Ctrl-C during a start that never gets ready ends it at once."""
    monkeypatch.setattr(empty.postgres, "_ready", lambda: False)
    starting = asyncio.create_task(empty.start())
    async with asyncio.timeout(60):
        while not empty.postgres.running:
            await asyncio.sleep(0.01)
        starting.cancel()
        await empty.close()
    assert not empty.postgres.running


async def test_a_server_that_will_not_end_is_killed(empty, monkeypatch):
    """The end of the demo is bounded, whatever a server does."""
    monkeypatch.setattr(stage, "_STOP_SECONDS", 0.2)
    await empty.run(empty.valkey.start)
    monkeypatch.setattr(empty.valkey, "stop_signal", 0)  # a signal that ends nothing
    async with asyncio.timeout(60):
        await empty.close()
    assert not empty.valkey.running


async def test_one_of_several_that_cannot_start_is_named(empty, said):
    """Servers that start side by side fail as one does alone: which and why, and nothing stays of the others."""
    ways = [replica.way for replica in empty.replicas]
    with socket.create_server(("127.0.0.1", ways[1].port)):
        with pytest.raises(ServerError, match=f"way cannot start: port {ways[1].port} is in use"):
            await empty._start("three ways", *ways)
        assert ways[0].running
        await empty.close()
    assert not ways[0].running
    assert said[-1] == "failed\n"


async def test_no_two_servers_want_the_same_port(empty):
    """Each replica has its own ports and its own way to the database, and knows all others."""
    ports = [empty.postgres.port, empty.valkey.port, empty.upstream.port]
    for each in empty.replicas:
        ports += [each.way.port, each.service.port, each.ports.public, each.ports.admin, each.ports.otlp]
        assert f":{each.way.port}/postgres" in empty.yaml(each)
        assert all(mate.outrider.url in empty.yaml(each) for mate in empty.replicas)
    assert len(set(ports)) == len(ports) == 18
    await empty.close()


async def test_a_port_stays_the_demos_until_its_server_starts(empty):
    """What else starts on this machine meanwhile is lent another port; the server itself may bind it, and again."""
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", empty.valkey.port))
    for _ in range(2):
        await empty.run(empty.valkey.start)
        await empty.run(empty.valkey.stop)
    await empty.close()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", empty.upstream.port))


async def test_without_alertmanager_the_demo_says_so(empty, said, monkeypatch):
    """The alert then goes to the webhook alone, in the file and in the addresses."""
    monkeypatch.setattr(stage, "available", lambda: False)
    await empty._start_alertmanager()
    assert "Alertmanager is not installed" in said[0]
    assert "alertmanager" not in empty.addresses()
    assert "- to: [webhook]\n" in empty.yaml(empty.first)
    await empty.close()
