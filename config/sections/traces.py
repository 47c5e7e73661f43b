"""`traces`: spans in, and where they go."""

from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.sections.names import Name
from config.shapes import Rest
from config.types import ListenAddress


class Receive(Options, frozen=True, kw_only=True):
    """Where the service sends its spans."""

    #: OTLP over HTTP: `POST /v1/traces`.
    http: ListenAddress = ListenAddress("127.0.0.1", 4318)


class Destination(Options, frozen=True, kw_only=True):
    """One upstream; `rest` holds the keys of its kind (`endpoint`, `headers`, `tls`, `timeout`, `compression`)."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="the kind of upstream, such as otlp_http")] = (
        "otlp_http"
    )
    rest: Rest


class Traces(Options, frozen=True, kw_only=True):
    """Spans are received only where this section is written."""

    receive: Receive = Receive()
    #: Every destination gets every span.
    forward: Annotated[
        dict[Name, Destination], Meta(min_length=1, description="where spans go, such as gateway: {endpoint: URL}")
    ]
    #: `memory`: what is queued is lost when the process dies.
    durability: Literal["memory"] = "memory"
