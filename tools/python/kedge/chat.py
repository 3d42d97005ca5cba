"""An assistant's turn: content, reasoning and tool calls, as they come and as a whole."""
from __future__ import annotations

import ctypes as c
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ._call import Handle, Owner, check, encode, json_bytes, owned_json
from ._library import lib
from .errors import Capacity, Unsupported
from .generation import Generation, Result
from .model import Message, Model

if TYPE_CHECKING:
    from .session import Session


class ChatReader(Owner):
    """Takes an answer's text (generated with render_special=True) in any pieces, and says what it is."""

    def __init__(self, model: Model, **options: Any) -> None:
        """`options`: tools, tool_choice, parallel_tool_calls, split_reasoning, reasoning_open, prompt."""
        pointer, data = c.c_void_p(), json_bytes(options)
        with model._handle as m:
            check(lib.kedge_chat_reader_create(m, data, len(data), c.byref(pointer)))
        self._handle = Handle(self, pointer.value, lib.kedge_chat_reader_free, "chat reader")

    def push(self, text: str, *, end: bool = False) -> List[Dict[str, Any]]:
        """Events: {"content": text}, {"reasoning": text}, {"call": n, "name", "id"}, {"call": n, "arguments": text},
        {"call": n, "end": true}."""
        data = encode(text)
        with self._handle as r:
            return list(owned_json(lambda d, n: lib.kedge_chat_reader_push(r, data, len(data), int(end), d, n)))


@dataclass
class ToolCall:
    name: str
    arguments: str = ""  # JSON text
    id: Optional[str] = None
    complete: bool = False


@dataclass
class Reply:
    content: str
    reasoning: str
    tool_calls: List[ToolCall]
    result: Result

    def message(self) -> Dict[str, Any]:
        """For the messages of the next turn."""
        message: Dict[str, Any] = {"role": "assistant", "content": self.content}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call.id or f"call_{i}", "type": "function",
                 "function": {"name": call.name, "arguments": call.arguments}}
                for i, call in enumerate(self.tool_calls)]
        return message


@dataclass
class _Heard:
    content: str = ""
    reasoning: str = ""
    calls: List[ToolCall] = field(default_factory=list)

    def hear(self, event: Mapping[str, Any]) -> None:
        self.content += event.get("content", "")
        self.reasoning += event.get("reasoning", "")
        if "name" in event:
            self.calls.append(ToolCall(event["name"], id=event.get("id")))
        elif "call" in event and self.calls:
            self.calls[-1].arguments += event.get("arguments", "")
            self.calls[-1].complete = bool(event.get("end"))


class Chat:
    """What Session.chat() gives. Iterating it gives the events of ChatReader.push(); reply() gives the whole turn."""

    def __init__(self, session: "Session", messages: Sequence[Message], tools: List[Mapping[str, Any]],
                 tool_choice: Any, parallel: bool, template: Dict[str, Any], constraint: Optional[Dict[str, Any]],
                 generate: Dict[str, Any]) -> None:
        model = session.model
        if tools:
            template = {**template, "tools": tools}
        tokens = model.chat_tokens(messages, **template)
        known = model.chat_format()
        if tools and not known.get("tools"):
            raise Unsupported("tools cannot be called by this model: its chat template writes calls in no known form")
        self._heard = _Heard()
        reader: Optional[ChatReader] = None
        if known.get("format") is not None or known.get("reasoning"):
            asked: Dict[str, Any] = {"prompt": model.chat_text(messages, **template)}
            if tools:
                asked.update(tools=tools, tool_choice=tool_choice, parallel_tool_calls=parallel)
            reader = ChatReader(model, **asked)
            generate = {**generate, "render_special": True}
            if tools:
                constraint = {"chat": asked, **({"response": constraint} if constraint else {})}
        self._generation: Generation = session.generate(_rest(session, tokens), constraint=constraint, **generate)
        self._events = _read(self._generation, reader, self._heard)

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return self._events

    def reply(self) -> Reply:
        """The whole turn, reading what is left of it."""
        for _ in self._events:
            pass
        return Reply(self._heard.content, self._heard.reasoning, self._heard.calls, self._generation.result())

    def close(self) -> None:
        self._generation.close()

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(generation: Generation, reader: Optional[ChatReader], heard: _Heard) -> Iterator[Dict[str, Any]]:
    """Knows no Chat: a loop that is left early drops this, and so ends the generation."""

    def hear(events: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
        for event in events:
            heard.hear(event)
        return events

    for piece in generation:
        yield from hear([{"content": piece}] if reader is None else reader.push(piece))
    if reader is not None:
        # A call that max_tokens cut off stays incomplete; the result says "length".
        yield from hear(reader.push("", end=generation.result().finish_reason in ("stop_token", "stop_string")))
        reader.close()


def _rest(session: "Session", tokens: List[int]) -> List[int]:
    """Brings the session to what it shares with the conversation; at least one token is read anew."""
    n_ctx = session.info.n_ctx
    if len(tokens) > n_ctx:
        raise Capacity(f"the conversation has {len(tokens)} tokens, the context has room for {n_ctx}")
    held, common = session.tokens, 0
    while common < min(len(held), len(tokens) - 1) and held[common] == tokens[common]:
        common += 1
    if common < len(held):
        session.truncate(common)
    return tokens[common:]
