"""The controlling terminal: it belongs to the service, as it would without us."""

import os
from contextlib import suppress


class Terminal:
    """The terminal this process was started from, if any. SIGTTOU must be blocked: we touch it from behind."""

    def __init__(self) -> None:
        self._group = os.getpgrp()
        self._fd = next((fd for fd in range(3) if _controls(fd)), None)
        self.given = False  #: we had the foreground, and the service has it

    @property
    def there(self) -> bool:
        """Whether there is one."""
        return self._fd is not None

    def ours(self) -> bool:
        """Whether our own process group is in the foreground."""
        with suppress(OSError):
            return self._fd is not None and os.tcgetpgrp(self._fd) == self._group
        return False

    def give(self, group: int) -> None:
        """Put another process group in the foreground, if ours is there."""
        if self.ours():
            self.given = True
            self._set(group)

    def lose(self) -> None:
        """A shell is about to take it: it is not ours to take back."""
        self.given = False

    def take_back(self) -> None:
        """Put ours in the foreground again, if we gave it away."""
        if self.given:
            self.given = False
            self._set(self._group)

    def _set(self, group: int) -> None:
        if self._fd is not None:
            with suppress(OSError):
                os.tcsetpgrp(self._fd, group)


def _controls(fd: int) -> bool:
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) >= 0
    except OSError:
        return False
