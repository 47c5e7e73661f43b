"""Names become addresses without holding anything up."""

import asyncio
import socket
import threading

import pytest

from config.net.resolve import Address, Resolver, resolve


class Lookup:
    """A resolver of a test: counts questions, and answers when told."""

    def __init__(self, answer=(("192.0.2.1", 80),)):
        self.answer = answer
        self.asked = []
        self.go = threading.Event()

    def __call__(self, host, port, **_):
        self.asked.append(host)
        if host.startswith("stuck"):
            assert self.go.wait(60)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in self.answer]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", Address("127.0.0.1", 80, socket.AF_INET)),
        ("::1", Address("::1", 80, socket.AF_INET6)),
    ],
)
async def test_an_address_is_its_own_answer(host, address):
    """An address is never looked up."""
    lookup = Lookup()
    assert await Resolver(lookup=lookup).resolve(host, 80) == [address]
    assert not lookup.asked


async def test_the_system_knows_localhost():
    """The process's own resolver asks the system."""
    found = await resolve("localhost", 80, socket.AF_INET)
    assert found == [Address("127.0.0.1", 80, socket.AF_INET)]


def test_addresses_print_as_people_write_them():
    """IPv6 goes in brackets."""
    assert str(Address("127.0.0.1", 80, socket.AF_INET)) == "127.0.0.1:80"
    assert str(Address("::1", 80, socket.AF_INET6)) == "[::1]:80"


async def test_an_address_of_the_other_family():
    """An address that is not of the wanted family is no answer."""
    with pytest.raises(socket.gaierror):
        await resolve("127.0.0.1", 80, socket.AF_INET6)


async def test_doubles_are_told_once():
    """The same address twice is one address."""
    names = Resolver(lookup=Lookup((("192.0.2.1", 80), ("192.0.2.1", 80), ("192.0.2.2", 80))))
    assert [str(found) for found in await names.resolve("name.test", 80)] == ["192.0.2.1:80", "192.0.2.2:80"]


async def test_a_failed_lookup_fails_its_caller():
    """The system's error reaches who asked."""
    names = Resolver(lookup=Lookup(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    with pytest.raises(socket.gaierror) as raised:
        await names.resolve("nowhere.test", 80)
    assert raised.value.errno == socket.EAI_NONAME


async def test_a_name_that_dns_cannot_hold():
    """A label of 64 characters does not exist, rather than being a bug."""
    with pytest.raises(socket.gaierror):
        await resolve("é" * 64 + ".test", 80)


async def test_the_same_question_is_asked_once():
    """Callers that ask the same together share a lookup; one that gives up does not take it from the others."""
    lookup = Lookup()
    names = Resolver(lookup=lookup)
    asking = [asyncio.create_task(names.resolve("stuck.test", 80)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    lookup.go.set()
    assert len(await asyncio.gather(*asking[1:])) == 2
    assert lookup.asked == ["stuck.test"]


async def test_stuck_names_hold_up_no_others():
    """A name that never answers ends at its caller's timeout, and the next name is answered meanwhile."""
    lookup = Lookup()
    names = Resolver(size=2, lookup=lookup)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await names.resolve("stuck.test", 80)
    async with asyncio.timeout(60):
        for name in ("a.test", "b.test", "c.test"):
            assert await names.resolve(name, 80)
    lookup.go.set()


async def test_no_more_threads_than_promised():
    """A hundred names are looked up by as many threads as the pool may have."""
    lookup = Lookup()
    names = Resolver(size=3, lookup=lookup)
    before = threading.active_count()
    asking = [asyncio.create_task(names.resolve(f"stuck{number}.test", 80)) for number in range(100)]
    await asyncio.sleep(0)
    assert threading.active_count() - before <= 3
    lookup.go.set()
    assert len(await asyncio.gather(*asking)) == 100


def test_a_lookup_that_outlives_its_loop():
    """An answer that comes after the loop has closed is dropped in silence."""
    lookup = Lookup()
    names = Resolver(lookup=lookup)

    async def give_up():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await names.resolve("stuck.test", 80)

    asyncio.run(give_up())
    lookup.go.set()
    lookup.go.clear()
    asyncio.run(give_up())  # and the question is asked again, on the new loop
    lookup.go.set()
    assert lookup.asked == ["stuck.test", "stuck.test"]
