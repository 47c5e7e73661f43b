"""What can be wrong with the state folder: in words, and what helps."""

import sqlite3
from enum import Enum


class StateError(Exception):
    """The state folder cannot be used now. The text says why, for a person; nothing of the work was kept."""


class Remedy(Enum):
    """What to do before the next attempt."""

    WAIT = "wait"  #: the connection is sound; the disk is full, or somebody else holds the file
    REOPEN = "reopen"  #: nothing that the connection believes is sure any more
    SET_ASIDE = "set aside"  #: the file is no database, or not any more


# SQLite's result codes that speak of the world around us, and not of a mistake in a statement.
_WORLD = {
    sqlite3.SQLITE_FULL: ("the disk is full", Remedy.WAIT),
    sqlite3.SQLITE_BUSY: ("another program holds the file locked", Remedy.WAIT),
    sqlite3.SQLITE_LOCKED: ("another program holds the file locked", Remedy.WAIT),
    sqlite3.SQLITE_PERM: ("access is not permitted", Remedy.REOPEN),
    sqlite3.SQLITE_READONLY: ("it is read-only", Remedy.REOPEN),
    sqlite3.SQLITE_IOERR: ("the disk fails", Remedy.REOPEN),
    sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", Remedy.REOPEN),
    sqlite3.SQLITE_NOMEM: ("there is no memory", Remedy.REOPEN),
    sqlite3.SQLITE_PROTOCOL: ("its locks do not work here", Remedy.REOPEN),
    sqlite3.SQLITE_NOLFS: ("the file is larger than its file system takes", Remedy.REOPEN),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", Remedy.SET_ASIDE),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", Remedy.SET_ASIDE),
}


def explain(error: Exception) -> tuple[str, Remedy] | None:
    """In words, and what helps; None for an error that is no fault of the disk, but of whoever wrote the statement."""
    if isinstance(error, StateError):
        return str(error), Remedy.REOPEN
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower(), Remedy.REOPEN
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None or code & 0xFF not in _WORLD:
        return None
    words, remedy = _WORLD[code & 0xFF]
    name = str(getattr(error, "sqlite_errorname", "")).lower()
    return (f"{words} ({name})" if code != code & 0xFF else words), remedy
