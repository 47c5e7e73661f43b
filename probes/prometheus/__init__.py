"""The kind `prometheus`: what the service counts itself, read off its own metrics page."""

from probes.prometheus.options import PrometheusOptions
from probes.prometheus.probe import PrometheusProbe

__all__ = ["PrometheusOptions", "PrometheusProbe"]
