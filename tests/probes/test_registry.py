"""The names of probe types; how names become classes at all is told by tests/exporters/test_registry.py."""

import pytest

from config.registry import RegistryError
from probes.base import Probe
from probes.registry import PROBES


@pytest.mark.parametrize("name", PROBES.builtin)
def test_built_in_kinds(name):
    """Every built-in name leads to a probe."""
    assert issubclass(PROBES.find(name), Probe)


@pytest.mark.case("X03")
@pytest.mark.parametrize(("name", "closest"), [("htp", "http"), ("postgresql", "postgres"), ("invalid", "http")])
def test_unknown_names(name, closest):
    """An unknown name is told with the known ones, the closest first."""
    with pytest.raises(RegistryError, match=rf"'{name}' is not known; known are {closest}\b.*module:Class") as raised:
        PROBES.find(name)
    assert all(known in str(raised.value) for known in PROBES.builtin)


def test_a_class_that_is_no_probe():
    """A class of another kind is told so before anything starts."""
    with pytest.raises(RegistryError, match=r"is not a subclass of outrider\.Probe"):
        PROBES.find("json:JSONDecoder")
