"""The controlling terminal: it belongs to the service, as it would without us."""

import os
from contextlib import suppress


class Terminal:
    """The terminal this process was started from, if any. SIGTTOU must be blocked: we touch it from behind."""

    def __init__(self) -> None:
        self._group = os.getpgrp()
        self._fd = next((fd for fd in range(3) if _controls(fd)), None)

    @property
    def there(self) -> bool:
        """Whether there is one."""
        return self._fd is not None

    @property
    def shell(self) -> bool:
        """Whether something above us does job control: without it, who stops would never be continued."""
        return os.getsid(0) != os.getpid()

    def ours(self) -> bool:
        """Whether our own process group is in the foreground."""
        return self._foreground() == self._group

    def give(self, group: int) -> None:
        """Put another process group in the foreground, if ours is there."""
        if self.ours():
            self._set(group)

    def take_back(self, group: int) -> None:
        """Put ours in the foreground again, if that one is there, or nobody is any more."""
        if self.there and self._foreground() in {group, 0, None}:
            self._set(self._group)

    def _foreground(self) -> int | None:
        if self._fd is None:
            return None
        try:
            return os.tcgetpgrp(self._fd)
        except OSError:
            return None

    def _set(self, group: int) -> None:
        with suppress(OSError):
            os.tcsetpgrp(self._fd or 0, group)


def _controls(fd: int) -> bool:
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) >= 0
    except OSError:
        return False
