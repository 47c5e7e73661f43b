"""Debian's promtool and amtool, over files that a test writes."""

import os
import shutil
import subprocess

import pytest
import yaml

from agent.generate.rule_tests import tests
from agent.generate.rules import FILE, rules


def needs(*tools):
    """Skips a test where one of them is missing, which none is in CI."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing) and not os.environ.get("CI"), reason=f"not installed: {', '.join(missing)}")


def ran(*command):
    """Its exit code, and all that it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def generated(name):
    """One of the generated tests, by how its name begins."""
    (found,) = (each for each in yaml.safe_load(tests())["tests"] if each["name"].startswith(name))
    return found


def judged(folder, *cases, text=None):
    """What promtool says of these tests over the rule file, or over another `text` of it."""
    (folder / FILE).write_text(text or rules())
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [FILE], "evaluation_interval": "30s", "tests": cases}))
    return ran("promtool", "test", "rules", file)
