"""Which requests failed: what the span says, and where it says nothing, what the HTTP status says.

Semantic conventions: a server's 5xx is an error (4xx is not), and instrumentation must set the span's status so. Some
does not, and leaves it unset; a status that is set is never doubted. Looking is dear (a third of all that a span
costs), so an instrumentation whose first THOROUGH unset spans hid no 5xx is only looked at now and then.
"""

from typing import Any

from agent.red.attributes import Spot

UNSET, ERROR = 0, 2  #: codes of a span's status
STATUS_CODE = ("http.response.status_code", "http.status_code")

THOROUGH = 1000
SELDOM = 16

_REMEMBERED = 256  # scopes
_LONGEST = 200  # characters of what is remembered


class ServerErrors:
    """What one instrumentation scope leaves unset. `skip`: spans that need not be looked at before the next one."""

    __slots__ = ("_always", "_looked", "_spot", "skip")

    def __init__(self) -> None:
        self.skip = 0
        self._looked = 0
        self._always = False
        self._spot = Spot(*STATUS_CODE)

    def hidden(self, attributes: Any) -> bool:
        """Whether this span, with its status unset, answered 5xx."""
        code = self._spot.read(attributes)
        failed = isinstance(code, int) and code >= 500
        self._always |= failed
        self._looked += 1
        self.skip = 0 if self._always or self._looked < THOROUGH else SELDOM - 1
        return failed


class Heeds:
    """What is known of each scope, by its name; beyond a number of them, the rest together."""

    def __init__(self) -> None:
        self._scopes: dict[str, ServerErrors] = {}
        self._rest = ServerErrors()

    def of(self, scope: str) -> ServerErrors:
        """Of this one."""
        heed = self._scopes.get(scope)
        if heed is None:
            if len(self._scopes) >= _REMEMBERED or len(scope) > _LONGEST:
                return self._rest
            heed = self._scopes[scope] = ServerErrors()
        return heed
