"""Sequences: their tokens, their memory, what they generate."""
from __future__ import annotations

import contextlib
import ctypes as c
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from . import _abi
from ._call import (Filled, Floats, Guarded, Handle, Owner, PathLike, check, floats, ids_at, ids_in, int32, json_bytes, number,
                    owned_json, path_bytes)
from ._library import lib
from .generation import Generation, _Run
from .model import Adapters, Message, Model, Progress, SessionSettings
from .request import OnText, OnToken, constraint_of, generate_options

if TYPE_CHECKING:
    from .chat import Chat

Prompt = Union[str, Sequence[int]]
Row = Callable[[int, Floats], Optional[bool]]  # position and logits, which are there during the call only


@dataclass(frozen=True)
class SessionInfo:
    n_ctx: int
    n_threads: int
    n_past: int  # tokens in the cache
    n_vocab: int
    kv_bytes: int
    scratch_bytes: int


class Checkpoint(Owner):
    """A point of a session to come back to, any number of times."""

    def __init__(self, pointer: c.c_void_p) -> None:
        self._handle = Handle(self, pointer.value, lib.kedge_checkpoint_free, "checkpoint")


class Session(Owner):
    """A sequence of one model. One call at a time; other threads may cancel(), and ask kv(), kv_log() and experts().

    n_ctx 0 is the context the model was trained with; `kv` are the memory's options, {"budget": "25%"} say; `adapters`
    are Adapters, or (Adapter, scale)."""

    def __init__(self, model: Model, *, n_ctx: int = 0, threads: int = 0, chunk: Optional[int] = None,
                 kv_type: Optional[str] = None, numerics: Optional[str] = None,
                 kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> None:
        pointer = c.c_void_p()
        with SessionSettings(n_ctx=n_ctx, threads=threads, chunk=chunk, kv_type=kv_type, numerics=numerics, kv=kv,
                             adapters=adapters) as options, model._handle as m:
            check(lib.kedge_session_create(m, options.ref, c.byref(pointer)))
        self._adopt(model, pointer)

    @classmethod
    def _of(cls, model: Model, pointer: c.c_void_p) -> "Session":
        session = cls.__new__(cls)
        session._adopt(model, pointer)
        return session

    def _adopt(self, model: Model, pointer: c.c_void_p) -> None:
        self.model = model
        self._cancelled = False
        self._running: Optional["weakref.ref[_Run]"] = None
        self._handle = Handle(self, pointer.value, lib.kedge_session_free, "session")

    @classmethod
    def load(cls, model: Model, path: PathLike, *, threads: int = 0, chunk: Optional[int] = None,
             kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> "Session":
        """What save() wrote; goes on bit for bit."""
        pointer, data = c.c_void_p(), path_bytes(path)
        with SessionSettings(threads=threads, chunk=chunk, kv=kv, adapters=adapters) as options, model._handle as m:
            check(lib.kedge_session_load(m, data, len(data), options.ref, c.byref(pointer)))
        return cls._of(model, pointer)

    def close(self) -> None:
        """Ends a generation that is under way, and frees the session. Views of its logits keep its memory."""
        running = self._running() if self._running is not None else None
        if running is not None:
            running.stop()
        super().close()

    def save(self, path: PathLike) -> None:
        data = path_bytes(path)
        with self._handle as s:
            check(lib.kedge_session_save(s, data, len(data)))

    @property
    def info(self) -> SessionInfo:
        raw = Filled(_abi.SessionInfo)
        with self._handle as s:
            check(lib.kedge_session_get_info(s, raw.ref))
        return SessionInfo(**{name: getattr(raw.c, name) for name in SessionInfo.__dataclass_fields__})

    @property
    def tokens(self) -> List[int]:
        data, n = c.c_void_p(), c.c_size_t()
        with self._handle as s:
            check(lib.kedge_session_tokens(s, c.byref(data), c.byref(n)))
            return ids_at(data.value, n.value)

    def logits(self) -> Floats:
        """Of the last token evaluated, n_vocab of them, without copying: they change when the session does. Empty
        before the first."""
        data, n = c.c_void_p(), c.c_size_t()
        with self._handle as s:
            check(lib.kedge_session_logits(s, c.byref(data), c.byref(n)))
            self._handle.__enter__()  # the view's own use, which it ends
        return floats(data.value, n.value, self._handle.__exit__)

    def eval(self, prompt: Prompt, *, on_row: Optional[Row] = None, on_progress: Optional[Progress] = None) -> None:
        """Appends tokens, or a text, and computes them. `on_row` gets the logits of each."""
        ids = self._ids(prompt)
        options, guarded = Filled(_abi.EvalOptions, lib.kedge_eval_options_init), Guarded()
        if on_row is not None:
            row = on_row
            options.callback("on_row", guarded(_abi.ROW_FN, lambda position, logits, n: row(
                position, floats(logits, n, lambda: None))))
        if on_progress is not None:
            options.callback("on_progress", guarded(_abi.PROGRESS_FN, on_progress))
        with self._handle as s:
            status = lib.kedge_session_eval(s, ids, len(ids), options.ref)
        guarded.raise_any()
        check(status)

    def truncate(self, n: int) -> None:
        """Forgets the tokens from position n on."""
        with self._handle as s:
            check(lib.kedge_session_truncate(s, int32(n, "position")))

    def generate(self, prompt: Prompt = (), *, max_tokens: int = -1, stop: Union[str, Sequence[str]] = (),
                 seed: int = 0, request: int = 0, logprobs: int = -1, ignore_eos: bool = False,
                 render_special: bool = False, logit_bias: Optional[Mapping[int, float]] = None,
                 constraint: Optional[Mapping[str, Any]] = None, json_schema: Any = None, json_object: bool = False,
                 grammar: Optional[str] = None, regex: Optional[str] = None, choice: Optional[Sequence[str]] = None,
                 samplers: Sequence[str] = (), speculation: Union[None, str, Mapping[str, Any]] = None,
                 draft: Optional["Session"] = None, key: str = "", weight: float = 0, deadline_s: float = 0,
                 on_text: Optional[OnText] = None, on_token: Optional[OnToken] = None,
                 on_prefill: Optional[Progress] = None, **settings: float) -> Generation:
        """Appends the prompt and generates: iterate the Generation for pieces of text, or ask it for its result().

        A text begins with bos where the session is empty and the model wants one. `settings` are the sampler's, by
        their names in kedge.settings_schema(): temperature=0, top_p=0.9. Equal seed, request and position: equal
        random numbers. logprobs: 0 of the chosen tokens, n also of the n most likely. One of constraint, json_schema,
        json_object, grammar, regex and choice is what the answer obeys. Callbacks return False to end it."""
        obeys = constraint_of(constraint, {"json_schema": json_schema, "json_object": json_object, "grammar": grammar,
                                           "regex": regex, "choice": None if choice is None else list(choice)})
        options = generate_options(
            max_tokens=max_tokens, stop=stop, seed=seed, request=request, logprobs=logprobs, ignore_eos=ignore_eos,
            render_special=render_special, logit_bias=logit_bias, samplers=samplers, constraint=obeys,
            speculation=speculation, key=key, weight=weight, deadline_s=deadline_s, settings=settings)
        run = _Run(self, self._ids(prompt), options, draft, on_text, on_token, on_prefill)
        self._running = weakref.ref(run)
        return Generation(run)

    def chat(self, messages: Sequence[Message], *, tools: Sequence[Mapping[str, Any]] = (),
             tool_choice: Any = "auto", parallel_tool_calls: bool = True, enable_thinking: Optional[bool] = None,
             template: Optional[Mapping[str, Any]] = None, constraint: Optional[Mapping[str, Any]] = None,
             json_schema: Any = None, json_object: bool = False, grammar: Optional[str] = None,
             regex: Optional[str] = None, choice: Optional[Sequence[str]] = None, **generate: Any) -> "Chat":
        """An assistant's turn: iterate the Chat for its events, or ask it for its reply(). What the session already
        holds of the conversation is not computed again. `tools` are as OpenAI's API has them, and calls are well
        formed; a constraint holds for the content. `generate`: as generate() takes it; `template`: further options of
        Model.chat_tokens()."""
        from .chat import Chat

        obeys = constraint_of(constraint, {"json_schema": json_schema, "json_object": json_object, "grammar": grammar,
                                           "regex": regex, "choice": None if choice is None else list(choice)})
        options = dict(template or {})
        if enable_thinking is not None:
            options["enable_thinking"] = enable_thinking
        return Chat(self, messages, list(tools), tool_choice, parallel_tool_calls, options, obeys, generate)

    def beam_search(self, prompt: Prompt = (), *, beams: int = 4, n_best: int = 0, max_tokens: int = -1,
                    stop: str = "as_they_stand", length_penalty: float = 1.0, render_special: bool = False,
                    constraint: Optional[Mapping[str, Any]] = None, deadline_s: float = 0,
                    on_prefill: Optional[Progress] = None) -> Dict[str, Any]:
        """The most likely answers, in a session of an Engine. `stop`: "first", "as_they_stand", "proven"."""
        ids = self._ids(prompt)
        f, guarded = Filled(_abi.BeamOptions, lib.kedge_beam_options_init), Guarded()
        f.set(beams=beams, n_best=n_best, max_tokens=max_tokens, stop=number("KEDGE_BEAM_STOP_", stop, "stop"),
              length_penalty=length_penalty, render_special=int(render_special),
              constraint=f.text(json_bytes(constraint)), deadline_ms=deadline_s * 1000)
        if on_prefill is not None:
            f.callback("on_prefill", guarded(_abi.PROGRESS_FN, on_prefill))
        with self._handle as s:
            try:
                return dict(owned_json(lambda d, n: lib.kedge_beam_search(s, ids, len(ids), f.ref, d, n)))
            finally:
                guarded.raise_any()

    def cancel(self, on: bool = True) -> None:
        """From any thread: while on, every eval and generate of the session, running or new, is cancelled."""
        with self._handle as s:
            self._cancelled = on
            lib.kedge_session_set_cancel(s, int(on))

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """Cancelled meanwhile, and then as cancel() had it."""
        with self._handle as s:
            lib.kedge_session_set_cancel(s, 1)
            try:
                yield
            finally:
                lib.kedge_session_set_cancel(s, int(self._cancelled))

    def fork(self) -> "Session":
        """A second session with the same state, sharing its pages; the session's `kv` needs {"forks": n}."""
        pointer = c.c_void_p()
        with self._handle as s:
            check(lib.kedge_session_fork(s, c.byref(pointer)))
        return Session._of(self.model, pointer)

    def checkpoint(self) -> Checkpoint:
        pointer = c.c_void_p()
        with self._handle as s:
            check(lib.kedge_session_checkpoint(s, c.byref(pointer)))
        return Checkpoint(pointer)

    def rollback(self, checkpoint: Checkpoint) -> None:
        with self._handle as s, checkpoint._handle as p:
            check(lib.kedge_session_rollback(s, p))

    def kv(self) -> Dict[str, Any]:
        """What the memory holds, what left it, and which references point at something that is gone."""
        with self._handle as s:
            return dict(owned_json(lambda d, n: lib.kedge_session_kv(s, d, n)))

    def kv_log(self, start: int = 0) -> List[Dict[str, Any]]:
        """Why each token went, from entry `start` on."""
        with self._handle as s:
            return list(owned_json(lambda d, n: lib.kedge_session_kv_log(s, start, d, n)))

    def experts(self) -> Dict[str, Any]:
        with self._handle as s:
            return dict(owned_json(lambda d, n: lib.kedge_session_experts(s, d, n)))

    def add_segments(self, segments: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """Tells the memory what tokens are, before or after they are evaluated."""
        data = json_bytes(list(segments))
        with self._handle as s:
            return dict(owned_json(lambda d, n: lib.kedge_session_add_segments(s, data, len(data), d, n)))

    def recall(self, **what: Any) -> Dict[str, Any]:
        """Brings demoted tokens back: one of range=[first, behind the last], source_id=..., text=..."""
        data = json_bytes(what)
        with self._handle as s:
            return dict(owned_json(lambda d, n: lib.kedge_session_recall(s, data, len(data), d, n)))

    def _ids(self, prompt: Prompt) -> Any:
        if isinstance(prompt, str):
            return ids_in(self.model.tokenize(prompt, add_bos=self.info.n_past == 0))
        return ids_in(prompt)
