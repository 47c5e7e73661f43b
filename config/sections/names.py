"""Texts that several sections write alike."""

from typing import Annotated

from msgspec import Meta

#: What keyed things are called: probes, SLOs, destinations, receivers. It becomes a metric label and a part of URLs.
Name = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,62}$",
        description="a name of at most 63 lower-case letters, digits, - and _, such as orders-db",
    ),
]

#: A name in the sense of Prometheus' labels.
LabelName = Annotated[
    str,
    Meta(
        pattern="^(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,127}$",
        description="a label name of letters, digits and _, such as team",
    ),
]

#: One line that a person reads, or a label's value.
Line = Annotated[str, Meta(max_length=1024, pattern="^[^\\x00-\\x1f\\x7f]*$", description="one line of text")]

#: Shown to whoever is called at night, so it is plain text and not masked.
RunbookUrl = Annotated[
    str,
    Meta(
        max_length=1024,
        pattern="^(https?://[^\\s\\x00-\\x1f]+)?$",
        description="a link such as https://runbooks.example/db",
    ),
]
