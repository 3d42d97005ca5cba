"""An answer while it is written, and when it is."""
from __future__ import annotations

import ctypes as c
import json
import queue
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

from . import _abi
from ._call import Filled, Guarded, check, ids_at, text_at
from ._library import lib
from .errors import InvalidArgument
from .request import Logprob, OnText, OnToken, logprob_rows

if TYPE_CHECKING:
    from .model import Progress
    from .session import Session

_FINISH = {number: name for name, number in _abi.NUMBERS["KEDGE_FINISH_"].items()}


@dataclass(frozen=True)
class Result:
    text: str
    tokens: List[int]  # every token chosen, the stop token included
    finish_reason: str  # "stop_token", "stop_string", "length", "context_full", "cancelled", "deadline"
    stop_index: int  # of the stop string met, or -1
    logprobs: Optional[List[List[Logprob]]]  # a row for each token: the chosen one, then the most likely
    n_prompt: int
    prefill_ms: float
    decode_ms: float
    cpu_s: float
    settings: Dict[str, Any]  # every setting as it took effect
    kv: Dict[str, Any]  # what the memory did meanwhile
    speculation: Optional[Dict[str, Any]]
    unfinished: bool  # it ended where its constraint's text is not whole


def _json(view: Any) -> Any:
    text = text_at(view.data, view.size)
    return json.loads(text) if text else None


def _result(generation: c.c_void_p) -> Result:
    raw = Filled(_abi.GenerationResult)
    check(lib.kedge_generation_get(generation, raw.ref))
    r, width = raw.c, raw.c.logprobs_per_token
    flat = logprob_rows(r.logprobs, r.n_tokens * width)
    rows = [flat[i:i + width] for i in range(0, len(flat), width)] if width else None
    return Result(text=text_at(r.text.data, r.text.size), tokens=ids_at(r.tokens, r.n_tokens),
                  finish_reason=_FINISH.get(r.finish_reason, str(r.finish_reason)), stop_index=r.stop_index,
                  logprobs=rows, n_prompt=r.n_prompt, prefill_ms=r.prefill_ms, decode_ms=r.decode_ms, cpu_s=r.cpu_s,
                  settings=_json(r.settings) or {}, kv=_json(r.kv) or {}, speculation=_json(r.speculation),
                  unfinished=bool(r.unfinished))


class _Run:
    """The call of kedge_generate, on whatever thread; does not know the Generation that looks at it, so that one
    that nobody holds any more can be stopped."""

    def __init__(self, session: "Session", prompt: Any, options: Filled, draft: Optional["Session"],
                 on_text: Optional[OnText], on_token: Optional[OnToken], on_prefill: Optional["Progress"]) -> None:
        self.session, self.prompt, self.options, self.draft = session, prompt, options, draft
        self.on_text, self.on_token, self.on_prefill = on_text, on_token, on_prefill
        self.stopped = False
        self.result: Optional[Result] = None
        self.error: Optional[BaseException] = None
        self.thread: Optional[threading.Thread] = None
        self.pieces: "queue.SimpleQueue[Optional[str]]" = queue.SimpleQueue()
        self.room = threading.Semaphore(1)  # the model is one piece ahead of who reads

    def call(self) -> None:
        guarded, o = Guarded(), self.options
        o.callback("on_text", guarded(_abi.TEXT_FN, self._text))
        o.callback("on_token", guarded(_abi.TOKEN_FN, self._token))
        o.callback("on_prefill", guarded(_abi.PROGRESS_FN, self._prefill))
        generation = c.c_void_p()
        with self.session._handle as s:
            if self.draft is None:
                status = lib.kedge_generate(s, self.prompt, len(self.prompt), o.ref, c.byref(generation))
            else:
                with self.draft._handle as d:
                    o.c.draft = d
                    status = lib.kedge_generate(s, self.prompt, len(self.prompt), o.ref, c.byref(generation))
        try:
            guarded.raise_any()
            check(status)
            self.result = _result(generation)
        finally:
            lib.kedge_generation_free(generation)
            o.release()  # the callbacks, which know this run: no cycle keeps its session

    def _text(self, address: int, size: int) -> Optional[bool]:
        piece = text_at(address, size)
        if self.on_text is not None and self.on_text(piece) is False:
            return False
        if self.thread is not None:
            self.room.acquire()
            self.pieces.put(piece)
        return not self.stopped

    def _token(self, token: int, top: int, n: int) -> Optional[bool]:
        if self.on_token is not None and self.on_token(token, logprob_rows(top, n)) is False:
            return False
        return not self.stopped

    def _prefill(self, done: int, total: int) -> Optional[bool]:
        if self.on_prefill is not None and self.on_prefill(done, total) is False:
            return False
        return not self.stopped

    def begin(self) -> None:
        self.thread = threading.Thread(target=self._work, name="kedge-generate", daemon=True)
        self.thread.start()

    def run_here(self) -> None:
        try:
            self.call()
        except BaseException as error:  # noqa: B902 - said again to whoever asks again
            self.error = error
            raise

    def _work(self) -> None:
        try:
            self.call()
        except BaseException as error:  # noqa: B902 - raised where the pieces are read
            self.error = error
        finally:
            self.pieces.put(None)

    def stop(self) -> None:
        """Ends the call and waits for it."""
        if self.stopped:
            return
        self.stopped = True
        self.room.release()
        thread = self.thread
        if thread is None or thread is threading.current_thread():  # then its next callback ends it
            return
        if thread.is_alive():
            with self.session._stopping():
                thread.join()


class Generation:
    """What Session.generate() gives. Iterating it gives text as it becomes certain, written on another thread one piece
    ahead of the reader; result() gives the whole answer. Nothing is computed before one of the two. A `with` block, or
    close(), ends one that is not read to its end; dropping it does too."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._began = False
        self._stop = weakref.finalize(self, run.stop)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        run = self._run
        if not self._began:
            self._began = True
            run.begin()
        if run.thread is None or run.stopped:
            raise StopIteration
        piece = run.pieces.get()
        if piece is None:
            run.pieces.put(None)
            run.thread.join()
            if run.error is not None:
                raise run.error
            raise StopIteration
        run.room.release()
        return piece

    def result(self) -> Result:
        """The answer, reading what is left of it. On the calling thread when nothing was iterated."""
        run = self._run
        if not self._began:
            self._began = True
            run.run_here()
        else:
            for _ in self:
                pass
        if run.result is None:
            raise run.error or InvalidArgument("the generation was closed before its end")
        return run.result

    @property
    def text(self) -> str:
        return self.result().text

    def close(self) -> None:
        self._began = True
        self._stop()

    def __enter__(self) -> "Generation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
