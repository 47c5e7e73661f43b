"""The whole rule file for Prometheus: one for all services and objectives."""

from agent.generate import alerts, recordings
from agent.generate.passed_on import passed_on
from agent.generate.yaml_text import Group, document

FILE = "outrider-rules.yaml"  #: what the tests of the rules expect it to be called

_HEAD = f"""
    Rules for every service that has Outrider beside it, written by `outrider slo rules`. Nothing here names a service,
    an objective or a window: agents export those. Needs Prometheus 2.42 or newer; its tests are written by

      outrider slo rules > {FILE}
      outrider slo rules --tests > outrider-rules.test.yaml
      promtool test rules outrider-rules.test.yaml
"""


def rules() -> str:
    """The file as YAML, the same every time."""
    return document(
        _HEAD,
        (
            Group(
                "outrider-slo-increases",
                tuple(recordings.increases()),
                interval="5m",
                why="Five minutes, no more and no less: each event is then in one of the increases.",
            ),
            Group(
                "outrider-slo-days",
                tuple(recordings.long_windows()),
                interval="150s",
                why="Often enough that a sample never is older than the five minutes for which Prometheus believes it.",
            ),
            Group(
                "outrider-slo",
                (*recordings.short_windows(), *recordings.about(), *recordings.burn_rates(), *alerts.burning()),
                interval="30s",
                why="One group, so that alerts see what was recorded a moment before.",
            ),
            Group("outrider-agents", tuple(alerts.own()), interval="30s"),
            Group("outrider-passed-on", tuple(passed_on()), interval="30s"),
        ),
    )
