"""The version of the service, as its spans tell it."""

import pytest

from agent.red.release import Release, Releases
from tests.agent.red.bodies import NOW, body, measured, put, send, span


def seen(*told):
    """What is believed after these (version, seconds)."""
    releases = Releases()
    for version, at in told:
        releases.see(version, at)
    return releases.newest


def versioned(version, **options):
    """A request whose resource tells a version."""
    request = body(span(), **options)
    put(request.resource_spans[0].resource.attributes, {"host.name": "a", "service.version": version})
    return request


def test_the_first_version_took_nobodys_place():
    """It is there since its first span, and may be older than we are."""
    assert seen(("1.4.1", 0), ("1.4.1", 500)) == Release("1.4.1", 0)


def test_a_new_version_is_a_deploy():
    """Since its first span, in the place of the one before."""
    assert seen(("1.4.1", 0), ("1.4.2", 500), ("1.4.2", 900)) == Release("1.4.2", 500, "1.4.1")


def test_the_last_spans_of_the_old_version_are_no_deploy():
    """A process that ends sends its last batch after the first one of its successor."""
    assert seen(("1", 495), ("2", 500), ("1", 503), ("2", 510), ("1", 540), ("2", 541)) == Release("2", 500, "1")


def test_three_versions_side_by_side_do_not_take_turns():
    """As long as the newest is still heard of, only one that is new, or comes back, takes its place."""
    versions = [(version, at) for at in range(0, 300, 10) for version in "123"]
    assert seen(*versions).version == "3"


def test_a_rollback_is_a_deploy():
    """Once the new one has been silent for a minute; the old one may never have been."""
    assert seen(("1", 495), ("2", 500), ("1", 520), ("1", 555)) == Release("2", 500, "1")
    assert seen(("1", 495), ("2", 500), ("1", 520), ("1", 560)) == Release("1", 560, "2")
    assert seen(("1", 0), ("2", 500), ("1", 5000)) == Release("1", 5000, "2")


def test_hostile_versions_are_bounded():
    """A line of at most 128 characters, and of many versions only some are remembered."""
    assert seen(("", 0), ("\n", 0)) is None
    assert seen(("1\n\x1b[31m2" + "x" * 10_000, 0)).version.startswith("1 [31m2xxx")
    assert len(seen(("x" * 10_000, 0)).version) == 128
    releases = Releases()
    for number in range(1000):
        releases.see(str(number), number)
    assert len(releases._seen) == 8


def test_spans_tell_the_version_of_the_files_service_alone():
    """Another service's is none of ours, and a number is no version."""
    red = measured(versioned("9", service="other"), versioned(7), body(span()), service="checkout")
    assert red.release() is None
    send(red, versioned("1.4.2"))
    send(red, versioned("9", service="other"), NOW + 100)
    assert red.release() == Release("1.4.2", NOW)


@pytest.mark.parametrize("commit", [False, True])
def test_a_refused_body_tells_nothing(commit):
    """Only what turned out to be valid counts."""
    red = measured(service="checkout")
    send(red, versioned("1"), commit=commit)
    assert (red.release() is not None) is commit
