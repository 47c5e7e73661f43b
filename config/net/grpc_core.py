"""gRPC, told to be quiet and to trust whom the system trusts. Its library reads both from the environment, and once.

Import `grpc` from here, and only when a configured part needs it: it costs some 9 MiB and a tenth of a second.
"""

import contextlib
import ctypes
import os
import ssl

_ARENA_MAX = -8  # of glibc's mallopt

# It writes to stderr about whatever a stranger does wrong, in lines that no log collector can read.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # it crashes children that are on their way to exec
if _roots := ssl.get_default_verify_paths().cafile:
    os.environ.setdefault("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", _roots)

# Each of its threads would keep an arena of its own, half of it empty: some 3 MiB that nobody uses.
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)

import grpc  # noqa: E402 - after all that
import grpc.aio  # noqa: E402

__all__ = ["grpc"]
