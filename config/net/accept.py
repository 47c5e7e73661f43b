"""`Accept` and its like: what a client takes, and how gladly. RFC 9110, section 12.4.2."""

from collections.abc import Iterator, Mapping


def preferences(header: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """(name, parameters, weight) of each entry in its order, all in lower case.

    The weight is 1 where none is given, and 0 (never) where it makes no sense.
    """
    for entry in header.lower().split(","):
        name, *rest = (part.strip() for part in entry.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        yield name, parameters, _weight(parameters.get("q", "1"))


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
