"""Many sequences in common steps; beginnings that several requests share; texts as vectors."""
from __future__ import annotations

import ctypes as c
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from . import _abi
from ._call import (Filled, Floats, Handle, Owner, PathLike, check, encode, floats, ids_in, json_bytes, number,
                    owned_json, path_bytes)
from ._library import lib
from .model import Adapters, Model, SessionSettings
from .session import Prompt, Session


class Cancel(Owner):
    """A flag that ends the calls it was given to; set() from any thread, or a signal handler."""

    def __init__(self) -> None:
        pointer = c.c_void_p()
        check(lib.kedge_cancel_create(c.byref(pointer)))
        self._handle = Handle(self, pointer.value, lib.kedge_cancel_free, "cancel flag")

    def set(self, on: bool = True) -> None:
        with self._handle as flag:
            lib.kedge_cancel_set(flag, int(on))


class Engine(Owner):
    """Runs sessions of several threads in common steps, one session a thread. What else runs never changes a bit of
    what a session computes."""

    def __init__(self, model: Model, *, threads: int = 0, sequences: Optional[int] = None, memory: int = 0,
                 step_tokens: Optional[int] = None, step_ms: float = 0, waiting: Optional[int] = None,
                 default_tokens: Optional[int] = None, kv_type: Optional[str] = None,
                 numerics: Optional[str] = None, spill: str = "") -> None:
        f = Filled(_abi.EngineOptions, lib.kedge_engine_options_init)
        f.set(n_threads=threads, memory=memory, step_ms=step_ms, spill=f.text(encode(spill)))
        for name, value in (("sequences", sequences), ("step_tokens", step_tokens), ("waiting", waiting),
                            ("default_tokens", default_tokens)):
            if value is not None:
                f.set(**{name: value})
        if kv_type is not None:
            f.set(kv_type=number("KEDGE_KV_", kv_type, "cache type"))
        if numerics is not None:
            f.set(numerics=number("KEDGE_NUMERICS_", numerics, "numerics"))
        pointer = c.c_void_p()
        with model._handle as m:
            check(lib.kedge_engine_create(m, f.ref, c.byref(pointer)))
        self._adopt(model, pointer)

    @classmethod
    def _of(cls, model: Model, pointer: c.c_void_p) -> "Engine":
        engine = cls.__new__(cls)
        engine._adopt(model, pointer)
        return engine

    def _adopt(self, model: Model, pointer: c.c_void_p) -> None:
        self.model = model
        self._handle = Handle(self, pointer.value, lib.kedge_engine_free, "engine")

    def session(self, *, n_ctx: int = 0, kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> Session:
        pointer = c.c_void_p()
        with SessionSettings(n_ctx=n_ctx, kv=kv, adapters=adapters) as options, self._handle as e:
            check(lib.kedge_engine_session(e, options.ref, c.byref(pointer)))
        return Session._of(self.model, pointer)

    def load(self, path: PathLike, *, kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> Session:
        """What Session.save() wrote, as a sequence of the engine."""
        pointer, data = c.c_void_p(), path_bytes(path)
        with SessionSettings(kv=kv, adapters=adapters) as options, self._handle as e:
            check(lib.kedge_engine_session_load(e, data, len(data), options.ref, c.byref(pointer)))
        return Session._of(self.model, pointer)

    def embed(self, text: Prompt, *, pooling: str = "model", normalise: bool = True, key: str = "",
              deadline_s: float = 0, cancel: Optional[Cancel] = None) -> Floats:
        """The vector of a text (or tokens): d_model floats; with pooling "none" a row for each token. Others: "mean",
        "cls", "last"; "model" is what the file says."""
        ids = ids_in(self.model.tokenize(text) if isinstance(text, str) else text)
        f = Filled(_abi.EmbedOptions, lib.kedge_embed_options_init)
        f.set(pooling=number("KEDGE_POOLING_", pooling, "pooling"), normalise=int(normalise),
              key=f.text(encode(key)), deadline_ms=deadline_s * 1000)
        data, n = c.c_void_p(), c.c_size_t()
        with self._handle as e:
            if cancel is None:
                check(lib.kedge_embed(e, ids, len(ids), f.ref, c.byref(data), c.byref(n)))
            else:
                with cancel._handle as flag:
                    f.c.cancel = flag
                    check(lib.kedge_embed(e, ids, len(ids), f.ref, c.byref(data), c.byref(n)))
        address = data.value

        def release() -> None:
            lib.kedge_free(address)

        columns = self.model.info.d_model if f.c.pooling == _abi.NUMBERS["KEDGE_POOLING_"]["none"] else 0
        return floats(address, n.value, release, columns)

    def stats(self) -> Dict[str, Any]:
        with self._handle as e:
            return dict(owned_json(lambda d, n: lib.kedge_engine_stats(e, d, n)))


class Acquired(NamedTuple):
    session: Session
    n_reused: int  # evaluate the tokens behind


class PrefixCache(Owner):
    """Requests with a common beginning compute it once. In an engine's memory when `engine` is given."""

    def __init__(self, model: Model, *, engine: Optional[Engine] = None, entries: Optional[int] = None,
                 sessions: Optional[int] = None, n_ctx: int = 0, threads: int = 0, kv_type: Optional[str] = None,
                 kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> None:
        f = Filled(_abi.PrefixCacheOptions, lib.kedge_prefix_cache_options_init)
        if entries is not None:
            f.set(entries=entries)
        if sessions is not None:
            f.set(sessions=sessions)
        self.model = model
        pointer = c.c_void_p()
        with SessionSettings(n_ctx=n_ctx, threads=threads, kv_type=kv_type, kv=kv, adapters=adapters) as options:
            if engine is not None:
                with engine._handle as e:
                    check(lib.kedge_prefix_cache_create_on(e, options.ref, f.ref, c.byref(pointer)))
            else:
                with model._handle as m:
                    check(lib.kedge_prefix_cache_create(m, options.ref, f.ref, c.byref(pointer)))
        self._handle = Handle(self, pointer.value, lib.kedge_prefix_cache_free, "prefix cache")

    def acquire(self, tokens: Sequence[int], *, segments: Optional[Sequence[Mapping[str, Any]]] = None,
                adapters: Optional[Adapters] = None) -> Acquired:
        """A session that holds the first n_reused of the tokens. `adapters` in place of the cache's."""
        ids = ids_in(tokens)
        data = json_bytes(None if segments is None else list(segments))
        pointer, reused = c.c_void_p(), c.c_size_t()
        with self._handle as p:
            if adapters is None:
                check(lib.kedge_prefix_cache_acquire(p, ids, len(ids), data, len(data), c.byref(pointer),
                                                     c.byref(reused)))
            else:
                with SessionSettings(adapters=adapters) as options:
                    check(lib.kedge_prefix_cache_acquire_adapted(
                        p, options.c.adapters, options.c.n_adapters, ids, len(ids), data, len(data),
                        c.byref(pointer), c.byref(reused)))
        return Acquired(Session._of(self.model, pointer), reused.value)

    def store(self, session: Session) -> None:
        """Keeps the state of a session that came from acquire()."""
        with self._handle as p, session._handle as s:
            check(lib.kedge_prefix_cache_store(p, s))

    def stats(self) -> Dict[str, Any]:
        with self._handle as p:
            return dict(owned_json(lambda d, n: lib.kedge_prefix_cache_stats(p, d, n)))


def embed_all(engine: Engine, texts: Sequence[str], **options: Any) -> List[Floats]:
    """The vectors of several texts, computed in common steps."""
    from concurrent.futures import ThreadPoolExecutor

    def one(text: str) -> Floats:
        return engine.embed(text, **options)

    with ThreadPoolExecutor(max_workers=min(16, max(1, len(texts)))) as pool:
        return list(pool.map(one, texts))
