"""The words a person may write for a value: how each is read, printed and described in the JSON Schema."""

from config.types.address import HostPort, ListenAddress
from config.types.base import Unfit, Word
from config.types.measure import Bound, Duration, Rate, Ratio, Size
from config.types.secret import Secret, SecretUrl, Url
from config.types.status import StatusRanges

__all__ = [
    "Bound",
    "Duration",
    "HostPort",
    "ListenAddress",
    "Rate",
    "Ratio",
    "Secret",
    "SecretUrl",
    "Size",
    "StatusRanges",
    "Unfit",
    "Url",
    "Word",
]
