"""Models, adapters, and text as tokens."""
from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

from . import _abi, _names
from ._call import (Filled, Guarded, Handle, Owner, PathLike, check, encode, ids_in, int32, json_bytes, number, owned_bytes,
                    owned_ids, owned_json, path_bytes)
from ._library import lib

Message = Mapping[str, Any]
Progress = Callable[[int, int], Optional[bool]]  # done and total; False cancels


@dataclass(frozen=True)
class ModelInfo:
    n_vocab: int
    n_ctx_train: int
    n_layers: int
    d_model: int
    bos_token: int  # -1: none
    eos_token: int  # -1: none
    add_bos: bool
    has_chat_template: bool
    n_parameters: int
    weight_bytes: int
    bytes_per_token: int


class Model(Owner):
    """A GGUF file, or one by its name ("scout", or what `kedge pull` brought). Immutable: any threads may use it at
    once, and its sessions keep it alive."""

    def __init__(self, model: PathLike, *, mmap: bool = True, vocab_only: bool = False,
                 on_progress: Optional[Progress] = None) -> None:
        self.path = _names.find(model)
        options, guarded = Filled(_abi.ModelOptions, lib.kedge_model_options_init), Guarded()
        options.set(use_mmap=int(mmap), vocab_only=int(vocab_only))
        if on_progress is not None:
            options.callback("on_progress", guarded(_abi.PROGRESS_FN, on_progress))
        pointer, path = c.c_void_p(), path_bytes(self.path)
        status = lib.kedge_model_open(path, len(path), options.ref, c.byref(pointer))
        self._adopt(pointer)
        guarded.raise_any()
        check(status)
        self.info = self._info()

    @classmethod
    def _of(cls, pointer: c.c_void_p, path: str) -> "Model":
        model = cls.__new__(cls)
        model.path = path
        model._adopt(pointer)
        model.info = model._info()
        return model

    def _adopt(self, pointer: c.c_void_p) -> None:
        self._handle = Handle(self, pointer.value, lib.kedge_model_close, "model")

    def _info(self) -> ModelInfo:
        raw = Filled(_abi.ModelInfo)
        with self._handle as m:
            check(lib.kedge_model_get_info(m, raw.ref))
        fields = {name: getattr(raw.c, name) for name in ModelInfo.__dataclass_fields__}
        fields["add_bos"], fields["has_chat_template"] = bool(raw.c.add_bos), bool(raw.c.has_chat_template)
        return ModelInfo(**fields)

    def describe(self) -> Dict[str, Any]:
        """Architecture, hyper-parameters, tokenizer, template, and the memory a session takes."""
        with self._handle as m:
            return dict(owned_json(lambda d, n: lib.kedge_model_describe(m, None, d, n)))

    def tokenize(self, text: str, *, add_bos: bool = True, parse_special: bool = False,
                 exact_bytes: bool = False) -> List[int]:
        """`add_bos` puts bos first where the model wants one. Control tokens written out in the text are characters
        unless `parse_special`."""
        known = _abi.NUMBERS["KEDGE_TOKENIZE_"]
        flags = (add_bos and known["add_bos"]) | (parse_special and known["parse_special"]) | (
            exact_bytes and known["exact_bytes"])
        data = encode(text)
        with self._handle as m:
            return owned_ids(lambda d, n: lib.kedge_tokenize(m, data, len(data), flags, d, n))

    def detokenize(self, tokens: Sequence[int], *, special: bool = False) -> str:
        """Control tokens are left out unless `special`; half a character becomes U+FFFD (detokenize_bytes keeps it)."""
        return self.detokenize_bytes(tokens, special=special).decode("utf-8", "replace")

    def detokenize_bytes(self, tokens: Sequence[int], *, special: bool = False) -> bytes:
        ids = ids_in(tokens)
        with self._handle as m:
            return owned_bytes(lambda d, n: lib.kedge_detokenize(m, ids, len(ids), int(special), d, n))

    def token(self, token: int) -> Tuple[bytes, FrozenSet[str]]:
        """The bytes of one token, and what it is: some of "control", "eog", "byte", "user_defined", "unknown"."""
        flags = c.c_uint32()
        with self._handle as m:
            piece = owned_bytes(lambda d, n: lib.kedge_token(m, int32(token, "token"), d, n, c.byref(flags)))
        return piece, frozenset(k for k, bit in _abi.NUMBERS["KEDGE_TOKEN_"].items() if flags.value & bit)

    def chat_text(self, messages: Sequence[Message], **template: Any) -> str:
        """The messages through the model's own template. `template`: add_generation_prompt, enable_thinking, tools,
        variables, now, allow_special, exact_bytes, as kedge_chat_render takes them."""
        data, options = json_bytes(list(messages)), json_bytes(template)
        with self._handle as m:
            return owned_bytes(lambda d, n: lib.kedge_chat_render(
                m, data, len(data), options, len(options), d, n)).decode("utf-8", "replace")

    def chat_tokens(self, messages: Sequence[Message], **template: Any) -> List[int]:
        """The same as tokens. What users wrote stays apart from what the template wrote: a control token in a message
        is characters."""
        data, options = json_bytes(list(messages)), json_bytes(template)
        with self._handle as m:
            return owned_ids(lambda d, n: lib.kedge_chat_tokenize(m, data, len(data), options, len(options), d, n))

    def chat_format(self) -> Dict[str, Any]:
        """How the template writes reasoning and tool calls: "format", "reasoning", "triggers", "tools"."""
        with self._handle as m:
            return dict(owned_json(lambda d, n: lib.kedge_chat_format(m, d, n)))

    def check_constraint(self, constraint: Mapping[str, Any]) -> Dict[str, Any]:
        """Compiles a constraint and keeps it for the generations to come; an error names what cannot be enforced."""
        data = json_bytes(constraint)
        with self._handle as m:
            return dict(owned_json(lambda d, n: lib.kedge_constraint_check(m, data, len(data), d, n)))

    def write_imatrix(self, text: Union[str, Sequence[int]], path: PathLike, *, chunk: int = 512, chunks: int = -1,
                      threads: int = 0, output: bool = False, dataset: str = "",
                      on_progress: Optional[Progress] = None) -> Dict[str, Any]:
        """An importance matrix of a text, for `kedge quantize --imatrix`."""
        ids = ids_in(self.tokenize(text) if isinstance(text, str) else text)
        options, guarded = Filled(_abi.ImatrixOptions, lib.kedge_imatrix_options_init), Guarded()
        options.set(chunk=chunk, chunks=chunks, n_threads=threads, output=int(output),
                    dataset=options.text(encode(dataset)))
        if on_progress is not None:
            options.callback("on_progress", guarded(_abi.PROGRESS_FN, on_progress))
        to = path_bytes(path)
        with self._handle as m:
            try:
                return dict(owned_json(lambda d, n: lib.kedge_imatrix_write(m, ids, len(ids), options.ref, to, len(to),
                                                                            d, n)))
            finally:
                guarded.raise_any()


class Adapter(Owner):
    """A LoRA adapter or control vector of a model. Sessions made with it keep it alive."""

    def __init__(self, model: Model, path: PathLike) -> None:
        pointer, data = c.c_void_p(), path_bytes(path)
        with model._handle as m:
            check(lib.kedge_adapter_open(m, data, len(data), c.byref(pointer)))
        self._handle = Handle(self, pointer.value, lib.kedge_adapter_close, "adapter")

    def describe(self) -> Dict[str, Any]:
        with self._handle as a:
            return dict(owned_json(lambda d, n: lib.kedge_adapter_describe(a, d, n)))


# Adapters of a session: alone, or each with its scale.
Adapters = Sequence[Union[Adapter, Tuple[Adapter, float]]]


class SessionSettings:
    """kedge_session_options while a call needs them: adapters are held open meanwhile."""

    def __init__(self, *, n_ctx: int = 0, threads: int = 0, chunk: Optional[int] = None,
                 kv_type: Optional[str] = None, numerics: Optional[str] = None,
                 kv: Optional[Mapping[str, Any]] = None, adapters: Adapters = ()) -> None:
        self._options = Filled(_abi.SessionOptions, lib.kedge_session_options_init)
        self._options.set(n_ctx=n_ctx, n_threads=threads, kv=self._options.text(json_bytes(kv)))
        if chunk is not None:
            self._options.set(chunk=chunk)
        if kv_type is not None:
            self._options.set(kv_type=number("KEDGE_KV_", kv_type, "cache type"))
        if numerics is not None:
            self._options.set(numerics=number("KEDGE_NUMERICS_", numerics, "numerics"))
        self.uses = [a if isinstance(a, tuple) else (a, 1.0) for a in adapters]

    def __enter__(self) -> Filled:
        rows = []
        try:
            for adapter, scale in self.uses:
                rows.append(_abi.AdapterUse(adapter._handle.__enter__(), scale))
        except BaseException:
            self._leave(len(rows))
            raise
        self._options.list("adapters", rows, _abi.AdapterUse)
        return self._options

    def __exit__(self, *_: object) -> None:
        self._leave(len(self.uses))

    def _leave(self, n: int) -> None:
        for adapter, _scale in self.uses[:n]:
            adapter._handle.__exit__()
