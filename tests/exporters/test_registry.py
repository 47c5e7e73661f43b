"""Names become classes, and a wrong name a sentence."""

import sys
import types

import pytest

from config.registry import Registry, RegistryError
from exporters.base import Notifier
from exporters.otlp.grpc import OtlpGrpcSender
from exporters.otlp.http import OtlpHttpSender
from exporters.registry import NOTIFIERS, SENDERS


def test_built_in_senders_are_found():
    """`otlp_http` and `otlp_grpc` are the senders that ship, the first one first."""
    assert SENDERS.find("otlp_http") is OtlpHttpSender
    assert SENDERS.find("otlp_grpc") is OtlpGrpcSender
    assert list(SENDERS.names()[:2]) == ["otlp_http", "otlp_grpc"]


def test_every_built_in_notifier_is_one():
    """Each name loads to a documented notifier."""
    for name in NOTIFIERS.builtin:
        found = NOTIFIERS.find(name)
        assert issubclass(found, Notifier)
        assert found.__doc__
    assert set(NOTIFIERS.available()) >= set(NOTIFIERS.builtin)


def test_an_unknown_name_lists_the_known_ones_closest_first():
    """A typo is answered with what was probably meant."""
    with pytest.raises(RegistryError, match="'webhok' is not known; known are webhook, "):
        NOTIFIERS.find("webhok")


def test_a_class_of_ones_own_is_found_by_its_place():
    """`module:Class` works without packaging."""
    assert SENDERS.find("exporters.otlp.http:OtlpHttpSender") is OtlpHttpSender


@pytest.mark.parametrize("path", ["collections:Counter", "exporters.otlp.status:MAX_ANSWER"])
def test_what_is_no_sender_is_refused(path):
    """A class that cannot send is told so before anything starts."""
    with pytest.raises(RegistryError, match="is not a span sender"):
        SENDERS.find(path)


def test_what_is_no_notifier_is_refused():
    """The same for notifiers."""
    with pytest.raises(RegistryError, match=r"is not a subclass of outrider\.Notifier"):
        NOTIFIERS.find("collections:Counter")


@pytest.mark.parametrize("path", ["nowhere_at_all:Class", "exporters.base:Nothing"])
def test_what_cannot_be_imported_is_one_sentence(path):
    """No traceback for a missing module or class."""
    with pytest.raises(RegistryError, match="cannot be loaded: "):
        SENDERS.find(path)


def test_a_broken_plug_in_hides_no_other(monkeypatch):
    """What raises at import is left out of the list, and only that."""
    broken = types.ModuleType("broken_plugin")
    monkeypatch.setitem(sys.modules, "broken_plugin", broken)
    registry = Registry(
        "thing", {"good": "exporters.otlp.http:OtlpHttpSender", "bad": "broken_plugin:X"}, "no.such.group", lambda _: ""
    )
    assert registry.available() == {"good": OtlpHttpSender}
