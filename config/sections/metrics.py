"""`metrics`: what `/metrics` shows."""

from config.options import Options


class Metrics(Options, frozen=True, kw_only=True):
    """Choices about the metric page."""

    #: Also show `probe_success` and friends, so that rules written for blackbox_exporter go on working.
    blackbox_names: bool = False
