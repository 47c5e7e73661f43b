"""The face for plug-ins."""

import subprocess
import sys

import pytest

import outrider


@pytest.mark.parametrize("name", outrider.__all__)
def test_every_name_is_there(name):
    """What the face promises can be imported from it."""
    assert getattr(outrider, name)


def test_an_unknown_name_is_an_attribute_error():
    """As from any module."""
    with pytest.raises(AttributeError, match="has no attribute 'Nope'"):
        _ = outrider.Nope


@pytest.mark.parametrize("command", ["healthcheck", "drain", "version"])
def test_small_commands_load_none_of_the_agent(command):
    """Commands that a kubelet starts every few seconds use the standard library alone."""
    code = (
        f"import sys, outrider.__main__ as m; m.main(['{command}', '--help']); "
        "sys.exit(bool({'aiohttp', 'msgspec', 'yaml', 'psutil'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120).returncode == 0


def test_version_is_the_packages():
    """One version, said in two places."""
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert outrider.__version__ == project["version"]
