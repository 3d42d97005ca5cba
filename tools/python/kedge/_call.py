"""What every call of the library shares: statuses become exceptions, owned outputs are copied and freed, handles are
freed once, callbacks that raise end the call and raise from it."""
from __future__ import annotations

import array
import ctypes as c
import json
import os
import threading
import weakref
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Type, Union

from . import _abi, errors
from ._library import lib

PathLike = Union[str, "os.PathLike[str]"]
Json = Mapping[str, Any]
Floats = Any  # numpy.ndarray of float32, read-only; a memoryview of format "f" where numpy is missing


def check(status: int) -> None:
    if status != 0:
        kind = errors.BY_STATUS.get(status, errors.KedgeError)
        raise kind((lib.kedge_last_error() or b"").decode("utf-8", "replace"))


def encode(text: str) -> bytes:
    return text.encode("utf-8")


def json_bytes(value: Any) -> bytes:
    """A JSON value for the library; None is the empty text, which means "none" everywhere."""
    return b"" if value is None else json.dumps(value, ensure_ascii=False).encode("utf-8")


def path_bytes(path: PathLike) -> bytes:
    return os.fsencode(path)


def owned_bytes(call: Callable[[Any, Any], Any]) -> bytes:
    """Calls call(&data, &size) and copies what it owns."""
    data, size = c.c_void_p(), c.c_size_t()
    try:
        check(call(c.byref(data), c.byref(size)))
        return c.string_at(data, size.value) if data.value else b""
    finally:
        lib.kedge_free(data)


def owned_json(call: Callable[[Any, Any], Any]) -> Any:
    return json.loads(owned_bytes(call).decode("utf-8", "replace"))


def owned_ids(call: Callable[[Any, Any], Any]) -> List[int]:
    data, size = c.c_void_p(), c.c_size_t()
    try:
        check(call(c.byref(data), c.byref(size)))
        return ids_at(data.value, size.value)
    finally:
        lib.kedge_free(data)


def ids_at(address: Optional[int], n: int) -> List[int]:
    return list((c.c_int32 * n).from_address(address)) if address and n else []


def ids_in(tokens: Iterable[int]) -> Any:
    """Tokens as an array of the library's."""
    try:
        flat = array.array("i", tokens)
    except (TypeError, OverflowError) as error:
        raise errors.InvalidArgument(f"tokens are whole numbers of 32 bits: {error}") from None
    return (c.c_int32 * len(flat)).from_buffer(flat)


def address_in(pointer: Any) -> Optional[int]:
    """What a pointer or a callback holds. c.cast would do, but leaves a cycle for the collector."""
    return c.c_void_p.from_buffer(pointer).value


def int32(value: int, what: str) -> int:
    """ctypes would cut it without a word."""
    if not -2**31 <= value < 2**31:
        raise errors.InvalidArgument(f"{what} {value} is out of range")
    return value


def text_at(address: Optional[int], size: int) -> str:
    return c.string_at(address, size).decode("utf-8", "replace") if address and size else ""


def number(prefix: str, name: str, what: str) -> int:
    known = _abi.NUMBERS[prefix]
    try:
        return known[name.replace("-", "_").lower()]
    except KeyError:
        raise errors.InvalidArgument(f"{what} '{name}' is none of {', '.join(known)}") from None


class Filled:
    """An option struct with what its fields point to."""

    def __init__(self, kind: Type[c.Structure], init: Optional[Callable[..., None]] = None) -> None:
        self.c: Any = kind()
        self._kept: List[Any] = []
        if init is None:
            self.c.struct_size = c.sizeof(kind)
        else:
            init(c.byref(self.c), c.sizeof(kind))

    @property
    def ref(self) -> Any:
        return c.byref(self.c)

    def keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def set(self, **fields: Any) -> None:
        """Plain fields; C would cut numbers that are too large without a word."""
        for name, value in fields.items():
            try:
                setattr(self.c, name, value)
            except TypeError as error:
                raise errors.InvalidArgument(f"{name}={value!r}: {error}") from None
            if isinstance(value, int) and getattr(self.c, name) != value:
                raise errors.InvalidArgument(f"{name}={value} is out of range")

    def text(self, data: bytes) -> _abi.Str:
        return _abi.Str(address_in(c.c_char_p(self.keep(data))), len(data))

    def list(self, name: str, items: Sequence[Any], kind: Type[c.Structure]) -> None:
        """A pointer `name` and its count `n_name`."""
        if items:
            block = self.keep((kind * len(items))(*items))
            setattr(self.c, name, c.addressof(block))
            setattr(self.c, "n_" + name, len(items))

    def release(self) -> None:
        """When no call uses the struct any more."""
        self._kept.clear()

    def callback(self, name: str, function: Any) -> None:
        setattr(self.c, name, address_in(self.keep(function)))


class Guarded:
    """Callbacks of one call. One that raises cancels the call; raise_any() raises it where the call was made."""

    def __init__(self) -> None:
        self.error: Optional[BaseException] = None

    def __call__(self, kind: Any, body: Callable[..., Optional[bool]]) -> Any:
        """A callback of type `kind`: body gets its arguments but `user`, and returns False to cancel."""

        def run(_user: Any, *args: Any) -> int:
            try:
                return 1 if body(*args) is False else 0
            except BaseException as error:  # noqa: B902 - KeyboardInterrupt too must not end in C
                self.error = self.error or error
                return 1

        return kind(run)

    def raise_any(self) -> None:
        if self.error is not None:
            raise self.error


class Handle:
    """A handle of the library: freed once, and not while a call or a view still uses it, whoever closes it when."""

    def __init__(self, owner: Any, pointer: Optional[int], free: Callable[[int], None], what: str) -> None:
        self._pointer, self._free, self._what = pointer, free, what
        self._lock, self._uses, self._closed = threading.RLock(), 0, False
        weakref.finalize(owner, self.close)

    def __enter__(self) -> int:
        with self._lock:
            if self._closed or self._pointer is None:
                raise errors.InvalidArgument(f"the {self._what} is closed")
            self._uses += 1
            return self._pointer

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._uses -= 1
            self._free_when_unused()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._free_when_unused()

    def _free_when_unused(self) -> None:
        if self._closed and self._uses == 0 and self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            self._free(pointer)


class Owner:
    """A Python object with a handle: a context manager, closed once, and by the garbage collector at the latest."""

    _handle: Handle

    def close(self) -> None:
        self._handle.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def floats(address: Optional[int], n: int, release: Callable[[], None], columns: int = 0) -> Floats:
    """A view of the library's floats, without copying; `release` runs when nobody looks at them any more. With
    `columns` it has rows of so many."""
    if not address or n == 0:
        release()
        block: Any = (c.c_float * 0)()
    else:
        block = (c.c_float * n).from_address(address)
        weakref.finalize(block, release)
    flat = memoryview(block).cast("B")
    view = flat.cast("f", shape=[n // columns, columns]) if columns and n else flat.cast("f")
    view = view.toreadonly()
    try:
        import numpy
    except ImportError:
        return view
    return numpy.asarray(view)
