"""The part for Alertmanager."""

import pytest

from agent.generate.route import ROUTE
from tests.agent.generate.tools import needs, ran


@pytest.fixture
def file(tmp_path):
    """The text as a file."""
    path = tmp_path / "alertmanager.yaml"
    path.write_text(ROUTE)
    return path


@needs("amtool")
def test_alertmanager_takes_it(file):
    """As it is, receivers and all."""
    code, said = ran("amtool", "check-config", file)
    assert code == 0, said
    assert "3 inhibit rules" in said


@needs("amtool")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=OutriderSLOBurn", "severity=page"), "pages"),
        (("alertname=OutriderSLOBurn", "severity=ticket"), "tickets"),
        (("alertname=OutriderBlind", "severity=ticket"), "tickets"),
        (("alertname=OutriderWatchdog", "severity=none"), "watchdog"),
    ],
)
def test_each_alert_finds_its_receiver(file, labels, receiver):
    """By severity; the watchdog goes its own way."""
    code, said = ran("amtool", "config", "routes", "test", f"--config.file={file}", *labels)
    assert (code, said.split()[0]) == (0, receiver), said
