"""Names of probe types lead to classes, and a bad plug-in hurts nobody else."""

import sys
from importlib.metadata import EntryPoint

import pytest

from probes import registry
from probes.base import Probe
from probes.registry import BUILTIN, RegistryError, available, find, names


@pytest.fixture
def plugins(monkeypatch, tmp_path):
    """Install entry points: name -> path of a module that may hold anything."""

    def install(**paths):
        points = {name: EntryPoint(name, path, registry.GROUP) for name, path in paths.items()}
        monkeypatch.setattr(registry, "entry_points", lambda group: tuple(points.values()))
        registry._plugins.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ours_good.py").write_text(
        "from probes.base import Measurement, Probe\n"
        "class Good(Probe):\n"
        '    """Good."""\n'
        "    async def check(self, attempt):\n"
        "        return Measurement()\n"
        "class Outer:\n"
        "    Inner = Good\n"
    )
    (tmp_path / "ours_broken.py").write_text("raise SystemError('canary broke')\n")
    yield install
    registry._plugins.cache_clear()
    registry._load.cache_clear()
    for module in ("ours_good", "ours_broken"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_kinds(name):
    """Every built-in name leads to a probe."""
    assert issubclass(find(name), Probe)


def test_a_plugin_is_found(plugins):
    """An installed entry point is a type like any other."""
    plugins(good="ours_good:Good")
    assert find("good").__name__ == "Good"
    assert names() == (*BUILTIN, "good")


def test_a_class_by_its_place(plugins):
    """`module:Class` needs no installation, and the class may be inside another."""
    plugins()
    assert find("ours_good:Outer.Inner") is find("ours_good:Good")


def test_a_plugin_cannot_take_a_built_in_name(plugins):
    """A built-in name means the built-in class, whatever is installed."""
    plugins(http="ours_good:Good")
    assert find("http").__name__ == "HttpProbe"
    assert names().count("http") == 1


def test_a_broken_plugin_hurts_nobody_else(plugins):
    """A plug-in that breaks is an error for who names it, and left out of what is available."""
    plugins(good="ours_good:Good", broken="ours_broken:Any", wrong="ours_good:nothing", odd="json:JSONDecoder")
    assert {"good", *BUILTIN} == set(available())
    with pytest.raises(RegistryError, match=r"'broken' \(ours_broken:Any\) cannot be loaded: SystemError: canary"):
        find("broken")
    with pytest.raises(RegistryError, match="cannot be loaded: AttributeError"):
        find("wrong")
    with pytest.raises(RegistryError, match="is not a subclass"):
        find("odd")


@pytest.mark.case("X03")
@pytest.mark.parametrize(("name", "closest"), [("htp", "http"), ("postgresql", "postgres"), ("invalid", "http")])
def test_unknown_names(plugins, name, closest):
    """An unknown name is told with the known ones, the closest first."""
    plugins()
    with pytest.raises(RegistryError, match=rf"'{name}' is not known; known are {closest}\b.*module:Class") as raised:
        find(name)
    assert all(known in str(raised.value) for known in BUILTIN)


def test_hostile_names(plugins):
    """A name that is no name at all gives one short sentence."""
    plugins()
    for name in ("x" * 5000, "a\nb", "no.such.module:Class", ":", "os:path"):
        with pytest.raises(RegistryError) as raised:
            find(name)
        assert len(str(raised.value)) < 500
        assert "\n" not in str(raised.value)
