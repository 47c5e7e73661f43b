"""The kind `http`: one request over a new connection, timed phase by phase."""

from probes.http.options import HttpOptions
from probes.http.probe import HttpProbe

__all__ = ["HttpOptions", "HttpProbe"]
