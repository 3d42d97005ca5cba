"""Failures of the library, an exception for each status."""
from __future__ import annotations

from typing import Dict, Type


class KedgeError(Exception):
    """The message is the library's; `status` is the number of kedge_status."""

    status = 0


class InvalidArgument(KedgeError, ValueError):
    """The caller's value is wrong."""

    status = 1


class NotFound(KedgeError, FileNotFoundError):
    """No such file, key or tensor."""

    status = 2


class Corrupt(KedgeError):
    """The file breaks its format."""

    status = 3


class Unsupported(KedgeError):
    """Well formed, but not something this build can do."""

    status = 4


class Capacity(KedgeError):
    """A limit is reached: the context is full, memory has run out."""

    status = 5


class IoError(KedgeError, OSError):
    """The operating system refused."""

    status = 6


class Cancelled(KedgeError):
    """The caller asked to stop."""

    status = 7


class Internal(KedgeError):
    """A bug of the library."""

    status = 8


BY_STATUS: Dict[int, Type[KedgeError]] = {
    e.status: e
    for e in (InvalidArgument, NotFound, Corrupt, Unsupported, Capacity, IoError, Cancelled, Internal)
}
