"""Several models behind one question, and what belongs to it: indexes, the audit log, calibration, checks.

docs/router.md, docs/retrieval.md, docs/audit.md and docs/calibration.md say what the requests and answers are."""
from __future__ import annotations

import ctypes as c
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _abi
from ._call import (Filled, Guarded, Handle, Owner, PathLike, check, encode, json_bytes, owned_bytes, owned_json,
                    path_bytes, text_at)
from ._library import lib
from .engine import Cancel, Engine
from .model import Message, Model, Progress

OnEvent = Callable[[Dict[str, Any]], Optional[bool]]


class Router(Owner):
    """A pool of models, opened from a TOML or JSON file; models are loaded when they are first asked. Any threads may
    use one at once. `overrides` replace members of the file; without a file they are the whole pool."""

    def __init__(self, path: PathLike = "", overrides: Optional[Mapping[str, Any]] = None) -> None:
        pointer, data, more = c.c_void_p(), path_bytes(path), json_bytes(overrides)
        check(lib.kedge_router_open(data, len(data), more, len(more), c.byref(pointer)))
        self._handle = Handle(self, pointer.value, lib.kedge_router_free, "router")

    def ask(self, question: Union[str, Sequence[Message]], *, on_event: Optional[OnEvent] = None,
            cancel: Optional[Cancel] = None, **request: Any) -> Dict[str, Any]:
        """A question, or messages that end with the user's. `request`: evidence, grounding, index, schema, tools,
        min_confidence, seed, stream, ... as kedge_router_ask takes them. The answer has "outcome", "answer",
        "confidence", "path", "attempts", and "record" when there is an audit log."""
        request["question" if isinstance(question, str) else "messages"] = (
            question if isinstance(question, str) else list(question))
        data = json_bytes(request)
        options, guarded = Filled(_abi.AskOptions, lib.kedge_ask_options_init), Guarded()
        if on_event is not None:
            hear = on_event
            options.callback("on_event", guarded(_abi.EVENT_FN, lambda at, n: hear(_event(at, n))))
        flag = cancel if cancel is not None else Cancel()
        with self._handle as r, flag._handle as f:
            options.c.cancel = f
            try:
                return dict(owned_json(lambda d, n: lib.kedge_router_ask_with(r, data, len(data), options.ref, d, n)))
            finally:
                guarded.raise_any()

    def replay(self, record: str = "last") -> Dict[str, Any]:
        """Generates every attempt of a record again."""
        return dict(self._request(lib.kedge_router_replay, encode(record)))

    def swap(self, **request: Any) -> Dict[str, Any]:
        return dict(self._request(lib.kedge_router_swap, json_bytes(request)))

    def configure(self, **patch: Any) -> Dict[str, Any]:
        """policy={...}, breakers={...}, by=...: changed while questions are answered."""
        return dict(self._request(lib.kedge_router_configure, json_bytes(patch)))

    def state(self) -> Dict[str, Any]:
        with self._handle as r:
            return dict(owned_json(lambda d, n: lib.kedge_router_state(r, d, n)))

    def models(self) -> List[Dict[str, Any]]:
        with self._handle as r:
            return list(owned_json(lambda d, n: lib.kedge_router_models(r, d, n)))

    def engine(self, alias: str) -> Tuple[Model, Engine]:
        """The model behind an alias or name, and the engine in which the router asks it."""
        model, engine, name = c.c_void_p(), c.c_void_p(), encode(alias)
        with self._handle as r:
            check(lib.kedge_router_engine(r, name, len(name), c.byref(model), c.byref(engine)))
        loaded = Model._of(model, alias)
        return loaded, Engine._of(loaded, engine)

    def _request(self, call: Callable[..., Any], data: bytes) -> Any:
        with self._handle as r:
            return owned_json(lambda d, n: call(r, data, len(data), d, n))


def _event(address: int, size: int) -> Dict[str, Any]:
    import json

    return dict(json.loads(text_at(address, size)))


def _plain(call: Callable[..., Any], request: Mapping[str, Any]) -> Dict[str, Any]:
    data = json_bytes(request)
    return dict(owned_json(lambda d, n: call(data, len(data), d, n)))


def index_build(*, on_progress: Optional[Progress] = None, **request: Any) -> Dict[str, Any]:
    """paths=[...], out=..., model=...: an index of files, in its place only when it is complete."""
    data, guarded = json_bytes(request), Guarded()
    progress = guarded(_abi.PROGRESS_FN, on_progress) if on_progress is not None else None
    try:
        return dict(owned_json(lambda d, n: lib.kedge_index_build(data, len(data), progress, None, d, n)))
    finally:
        guarded.raise_any()


def index_search(**request: Any) -> Dict[str, Any]:
    """index=..., query=..., k=8, by="both"."""
    return _plain(lib.kedge_index_search, request)


def index_info(index: PathLike) -> Dict[str, Any]:
    return _plain(lib.kedge_index_info, {"index": str(index)})


def audit_list(db: PathLike, **request: Any) -> Dict[str, Any]:
    return _plain(lib.kedge_audit_list, {"db": str(db), **request})


def audit_show(db: PathLike, record: str = "last") -> Dict[str, Any]:
    return _plain(lib.kedge_audit_show, {"db": str(db), "record": record})


def audit_verify(db: PathLike, **request: Any) -> Dict[str, Any]:
    return _plain(lib.kedge_audit_verify, {"db": str(db), **request})


def audit_export(db: PathLike, **request: Any) -> str:
    """Records as JSON Lines."""
    data = json_bytes({"db": str(db), **request})
    return owned_bytes(lambda d, n: lib.kedge_audit_export(data, len(data), d, n)).decode("utf-8", "replace")


def calibrate(**request: Any) -> Dict[str, Any]:
    return _plain(lib.kedge_calibrate, request)


def route_report(**request: Any) -> Dict[str, Any]:
    return _plain(lib.kedge_route_report, request)


def calibrator_apply(**request: Any) -> Dict[str, Any]:
    return _plain(lib.kedge_calibrator_apply, request)


def check_answer(answer: str, **request: Any) -> Dict[str, Any]:
    """Checks an answer without a model: question=, evidence=, schema=, pattern=, samples=."""
    return _plain(lib.kedge_check_answer, {"answer": answer, **request})
