"""What agents judge by themselves and the other rules do not: Prometheus passes it on, once for all replicas."""

from collections.abc import Iterator

from agent.alerting.plain.kinds import OF_AGENT, OF_PROBES, REFUSED
from agent.generate.alerts import BURN, PAIRS, VIEW
from agent.generate.yaml_text import Rule

KEPT = "2m"  #: a scrape or two that fail end nothing

_SAYS = {
    "OutriderProbeDown": "is down",
    "OutriderProbeDegraded": "is degraded",
    "OutriderCertificateExpires": "has a certificate that expires soon",
    "OutriderProbeFlapping": "goes up and down",
    "OutriderBrakeOpen": "replicas that would leave are held in service",
    "OutriderIsolated": "replicas hear no others",
    "OutriderBlind": "Outrider cannot tell how its probes are",
    "OutriderUpstreamRefused": "refuses telemetry, or it is lost",
}
_OWN_WHY = """
    Objectives with windows of their own: the agents alone know them, so what these say is passed on.
"""
_PLAIN_WHY = """
    What needs no objective. The agents judge it, with what their files say of severity and patience.
"""


def passed_on() -> Iterator[Rule]:
    """Alerts by the names and labels that agents have for them; their severity is that of the agents."""
    yield _rule(BURN, "slo", 'alert!~"Outrider.+"', "burns its budget too fast", unless=_JUDGED, why=_OWN_WHY)
    whys = iter((_PLAIN_WHY,))
    for kinds, label in ((OF_PROBES, "probe"), (OF_AGENT, ""), ((REFUSED,), "destination")):
        for kind in kinds:
            which = f'alert=~"{kind.alert}:.+"' if label else f'alert="{kind.alert}"'
            yield _rule(kind.alert, label, which, _SAYS[kind.alert], why=next(whys, ""))


#: The objectives that the other rules judge.
_JUDGED = f"""
  unless on (service, slo)
    outrider_slo_alert_factor{{pair=~"{"|".join(PAIRS)}"}}"""


def _rule(alert: str, label: str, which: str, says: str, *, unless: str = "", why: str = "") -> Rule:
    fires = f"outrider_alert_state{{{which}}} == 2"
    if label:
        fires = f'label_replace({fires}, "{label}", "$1", "alert", "(?:Outrider[^:]+:)?(.+)")'
    by = f"service, {label}, severity" if label else "service, severity"
    what = f"{{{{ $labels.service }}}} {{{{ $labels.{label} }}}}" if label else "{{ $labels.service }}:"
    return Rule(
        f"count by ({by}) (\n  {fires}{unless}\n)",
        alert=alert,
        labels=VIEW,
        keep=KEPT,
        annotations={
            "summary": f"{what} {says}",
            "description": "{{ $value }} of its replicas say so. `outrider alerts`, or the page of one, says why.",
        },
        why=why,
    )
