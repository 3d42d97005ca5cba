"""What kedge_generate is asked for, from keywords."""
from __future__ import annotations

import ctypes as c
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from . import _abi
from ._call import Filled, encode, int32, json_bytes
from ._library import lib
from .errors import InvalidArgument


class Logprob(NamedTuple):
    token: int
    logprob: float  # natural logarithm, by the raw logits: before bias, penalties, temperature


OnText = Callable[[str], Optional[bool]]
OnToken = Callable[[int, List[Logprob]], Optional[bool]]
CONSTRAINTS = ("json_schema", "json_object", "grammar", "regex", "choice")


def constraint_of(constraint: Optional[Mapping[str, Any]], short: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """`constraint` as the library takes it, or one of the short forms."""
    given = [(name, value) for name, value in short.items() if value is not None and value is not False]
    if len(given) + (constraint is not None) > 1:
        names = [name for name, _ in given] + (["constraint"] if constraint is not None else [])
        raise InvalidArgument(f"an answer obeys one constraint: {' and '.join(names)} are given")
    if given:
        return {given[0][0]: given[0][1]}
    return dict(constraint) if constraint is not None else None


def generate_options(*, max_tokens: int = -1, stop: Union[str, Sequence[str]] = (), seed: int = 0, request: int = 0,
                     logprobs: int = -1, ignore_eos: bool = False, render_special: bool = False,
                     logit_bias: Optional[Mapping[int, float]] = None, samplers: Sequence[str] = (),
                     constraint: Optional[Mapping[str, Any]] = None,
                     speculation: Union[None, str, Mapping[str, Any]] = None, key: str = "", weight: float = 0,
                     deadline_s: float = 0, settings: Mapping[str, float]) -> Filled:
    f = Filled(_abi.GenerateOptions, lib.kedge_generate_options_init)
    o: Any = f.c
    f.set(max_tokens=max_tokens, logprobs=logprobs, seed=seed, request=request, ignore_eos=int(ignore_eos),
          render_special=int(render_special), key=f.text(encode(key)), weight=weight, deadline_ms=deadline_s * 1000)
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidArgument(f"{name}={value!r}: sampler settings are numbers, and no other option has that name")
    f.list("settings", [_abi.Setting(f.text(encode(n)), v) for n, v in settings.items()], _abi.Setting)
    stops = [stop] if isinstance(stop, str) else stop
    if stops:
        block = f.keep((_abi.Str * len(stops))(*[f.text(encode(s)) for s in stops]))
        o.stop, o.n_stop = c.addressof(block), len(stops)
    f.list("logit_bias", [_abi.LogitBias(int32(t, "token"), b) for t, b in (logit_bias or {}).items()], _abi.LogitBias)
    o.constraint, o.samplers = f.text(json_bytes(constraint)), f.text(encode(";".join(samplers)))
    guesses = {"kind": speculation} if isinstance(speculation, str) else speculation
    o.speculation = f.text(json_bytes(guesses))
    return f


def logprob_rows(address: Optional[int], n: int) -> List[Logprob]:
    if not address or n == 0:
        return []
    return [Logprob(row.token, row.logprob) for row in (_abi.LogprobRow * n).from_address(address)]
