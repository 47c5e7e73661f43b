"""From an address in the file to a listening socket, or to one line that says what is in the way."""

import contextlib
import errno
import socket
import stat
from pathlib import Path

from config.types.address import ListenAddress

#: Connections the kernel completes while we are busy. Beyond that, clients wait and try again.
BACKLOG = 256


class CannotListen(Exception):  # noqa: N818 - named for what happened
    """A listener cannot be opened. The text is one line: the setting, what is wrong, what would be right."""

    def __init__(self, setting: str, address: ListenAddress, why: str, remedy: str) -> None:
        super().__init__(f"{setting}: cannot listen on {address}: {why}; {remedy}")
        self.setting = setting
        self.address = address


class PortInUse(CannotListen):
    """Someone listens there already."""

    def __init__(self, setting: str, address: ListenAddress) -> None:
        what = "that socket" if address.path else f"port {address.port}"
        super().__init__(
            setting, address, f"{what} is in use by another process", f"stop that process or change {setting}"
        )


def bind(setting: str, address: ListenAddress) -> socket.socket:
    """A socket that listens at `address`; `setting` is the key of the file, for the error. Raises CannotListen."""
    try:
        sock = _unix(Path(address.path)) if address.path else _tcp(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(setting, address) from None
        raise CannotListen(setting, address, *_explain(error)) from None
    except ValueError as error:
        raise CannotListen(setting, address, str(error), "write an IP address, localhost, or * for all") from None
    sock.setblocking(False)
    return sock


def release(sock: socket.socket, address: ListenAddress) -> None:
    """Close a socket that `bind` made, and take a Unix socket's file away."""
    sock.close()
    if address.path:
        Path(address.path).unlink(missing_ok=True)


def _tcp(address: ListenAddress) -> socket.socket:
    if address.host == "*":
        return _every_address(address.port)
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET:
        try:
            socket.inet_pton(family, host)
        except OSError:
            raise ValueError(f"{host} is a name, and names are not looked up here") from None
    return socket.create_server((host, address.port), family=family, backlog=BACKLOG)


def _every_address(port: int) -> socket.socket:
    """IPv6 and IPv4 in one socket; IPv4 alone on a machine without IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    return socket.create_server(("", port), backlog=BACKLOG)


def _unix(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "no socket")
        if not _answers(path):
            path.unlink()  # left behind by a process that was killed
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)  # before listen: until then nobody can connect
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) != errno.ECONNREFUSED


def _explain(error: OSError) -> tuple[str, str]:
    """What is wrong; what would be right."""
    if error.errno == errno.EACCES:
        return "permission denied", "use a port above 1023, or a directory this user may write"
    if error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this machine has that address", "use one it has, or * for all"
    if error.errno == errno.ENOENT:
        return "its directory does not exist", "create it, or choose another"
    if error.errno == errno.EEXIST:
        return "a file that is no socket is in the way", "remove it, or choose another path"
    return (error.strerror or str(error)).lower(), "choose another address"
