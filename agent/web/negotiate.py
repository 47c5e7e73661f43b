"""Which of the forms we offer does the client like best? RFC 9110, section 12.5.1."""

from collections.abc import Sequence

TEXT = "text/plain"
JSON = "application/json"
HEALTH_JSON = "application/health+json"


def best(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offer with the highest weight, the earlier one of equals; None when the client wants none of them.

    No header, or an empty one, means that anything will do.
    """
    if not accept or not accept.strip():
        return offers[0]
    ranges = [_range(entry) for entry in accept.lower().split(",")]
    weights = [_weight(offer, ranges) for offer in offers]
    highest = max(weights)
    return offers[weights.index(highest)] if highest > 0 else None


def _range(entry: str) -> tuple[str, float]:
    """The media range of one entry, and its weight; an entry that makes no sense weighs nothing."""
    media, *parameters = (part.strip() for part in entry.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return media, weight if 0 <= weight <= 1 else 0.0


def _weight(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers the offer."""
    for pattern in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        weights = [weight for media, weight in ranges if media == pattern]
        if weights:
            return max(weights)
    return 0.0
