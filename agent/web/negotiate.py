"""Which of the forms we offer does the client like best? RFC 9110, section 12.5.1."""

from collections.abc import Sequence

from config.net.accept import preferences

TEXT = "text/plain"
JSON = "application/json"
HEALTH_JSON = "application/health+json"


def best(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offer with the highest weight, the earlier one of equals; None when the client wants none of them.

    No header, or an empty one, means that anything will do.
    """
    if not accept or not accept.strip():
        return offers[0]
    ranges = [(media, weight) for media, _, weight in preferences(accept)]
    weights = [_weight(offer, ranges) for offer in offers]
    highest = max(weights)
    return offers[weights.index(highest)] if highest > 0 else None


def _weight(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers the offer."""
    for pattern in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        weights = [weight for media, weight in ranges if media == pattern]
        if weights:
            return max(weights)
    return 0.0
