"""blackbox_exporter's names for what we know too, so that its dashboards and rules keep working.

The file's `metrics.blackbox_names` switches them on. Their target is the label `instance`, set by relabelling; ours is
the probe's name, in `probe`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporters.base import Histogram, Sample
from exporters.contract import Metric


def _gauge(name: str, help_: str) -> Metric:
    return Metric(name, "gauge", help_, ("probe",))


EXPIRY = "outrider_http_certificate_expiry_seconds"  #: theirs is a point in time, ours the seconds left

#: Our family -> theirs. `probe_success` follows the state, not the single attempt: one lost packet does not clear it.
NAMES = {
    "outrider_probe_up": _gauge("probe_success", "1 while the probe's state is up or degraded."),
    "outrider_probe_last_duration_seconds": _gauge("probe_duration_seconds", "Duration of the newest attempt."),
    "outrider_http_status": _gauge("probe_http_status_code", "Status code of the newest answer."),
    "outrider_http_redirects": _gauge("probe_http_redirects", "Redirects followed by the newest attempt."),
    "outrider_http_content_length_bytes": _gauge("probe_http_content_length", "Length of the newest answer, in bytes."),
    EXPIRY: _gauge("probe_ssl_earliest_cert_expiry", "When the first certificate of the chain expires, in Unix time."),
}


@dataclass(frozen=True, slots=True)
class Blackbox:
    """A source that says again, under their names, what other sources said. `now` is Unix time."""

    told: Mapping[str, Iterable[Sample | Histogram]]  #: by our family names
    now: float

    def samples(self) -> Iterable[tuple[Metric, Iterable[Sample]]]:
        """Their families, each one only where ours has something to say."""
        for ours, theirs in NAMES.items():
            past = self.now if ours == EXPIRY else 0.0
            yield (
                theirs,
                [
                    Sample(one.labels[:1], past + one.value)
                    for one in self.told.get(ours, ())
                    if isinstance(one, Sample)
                ],
            )
