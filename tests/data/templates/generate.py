#!/usr/bin/python3
"""Writes snippets.json and chats.json: what python3-jinja2 makes of these templates, set up as Hugging Face sets it up.

Run with `apt-get install python3-jinja2`; the tests only read the JSON files. Templates are our own writing; they use the
constructs that the templates of published models use.
"""
import datetime
import glob
import json
import os

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

os.environ["TZ"] = "UTC"
NOW = 1739188800
HERE = os.path.dirname(os.path.abspath(__file__))


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(f)
    return env


def render(template, messages, variables, prompt):
    given = {"tools": None, "documents": None, **variables}
    try:
        text = environment().from_string(template).render(
            messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **given)
        return {"expected": text}
    except Exception as error:  # whatever Python makes of it, it is an error of the template
        return {"error": type(error).__name__ + ": " + str(error)}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather <now> & \"later\"",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "The city\nname"},
        "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
        "days": {"type": ["integer", "null"], "minimum": 1},
        "opts": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "number"}}}, "required": ["a"]}},
        "required": ["city"]}}}
PLAIN = {"type": "function", "function": {"name": "noargs", "description": "None", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "abc123def", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Paris \u00e9", "days": 3, "opts": {"a": [1.5, 2]}, "x": None, "b": True}}}
RESULT = {"role": "tool", "content": "{\"temp\": 21}", "tool_call_id": "abc123def", "name": "get_weather"}

CONVERSATIONS = [
    ([user("Hi there")], {}, True),
    ([user("  Hi\n\nthere  ")], {}, False),
    ([system("You are terse."), user("2+2?"), assistant("4"), user("And\t3+3? <|im_end|>")], {}, True),
    ([system("Sys /no_think"), user("q1"), assistant("<think>\nhm\n</think>\n\nanswer"), user("q2"), assistant("<think>x</think>a2")], {}, False),
    ([system("S"), user("weather?")], {"tools": [WEATHER, PLAIN]}, True),
    ([user("w?"), assistant("", tool_calls=[CALL]), RESULT, assistant("21."), user("thanks")], {"tools": [WEATHER]}, True),
    ([user("w?"), assistant(None, tool_calls=[CALL, CALL]), RESULT, RESULT], {"tools": [WEATHER, PLAIN]}, True),
    ([user("a"), assistant("b", reasoning_content="because\n"), user("c")], {"enable_thinking": False}, True),
    ([user("a"), assistant("b", reasoning_content="x"), user("c")], {"enable_thinking": True, "reasoning_effort": "high"}, True),
    ([user([{"type": "text", "text": "look"}, {"type": "image"}])], {}, True),
    ([user("x"), assistant("y"), assistant("z"), user("w")], {"date_string": "1 Jan 2025"}, True),
    ([user("doc?")], {"documents": [{"title": "T", "text": "body"}, {"title": "T2", "text": "body2"}]}, True),
    ([user("\u00fcn\u00ef \u4e2d\u6587 \U0001f600 'q' \"dq\" \\ \u2028 \x07"), assistant(" lead\n"), user("x")], {}, False),
    ([], {}, True),
]

# What every snippet sees besides messages.
VARIABLES = {
    "s": "  Hello, W\u00f6rld!  ", "t": "a,b,,c", "empty": "", "lines": "one\n\n two\r\nthree\n", "n": 7, "neg": -3, "f": 2.5, "big": 1e21,
    "yes": True, "no": False, "nothing": None, "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "mixed": [1, "x", None, True, 2.0, ["y"]],
    "d": {"b": 1, "a": {"x": [1, 2, {"k": "v"}]}, "items": 5}, "people": [
        {"name": "Ann", "age": 30, "tags": ["x"]}, {"name": "bob", "age": 25}, {"name": "Cid", "age": 30, "tags": []}],
    "html": "<a href=\"x\">'&'</a>", "uni": "\u00dfa\u00c9 \u4e2d\U0001f600", "quoted": "it's \"so\"\n\t\\\u00a0\u200b",
}


def snippets():
    with open(os.path.join(HERE, "snippets.txt"), encoding="utf-8", newline="") as f:
        return [part for part in f.read().split("\n---\n")]


def main():
    messages = [system("sys"), user("u1"), assistant("a1"), user("u2")]
    out = [{"template": t, **render(t, messages, VARIABLES, True)} for t in snippets()]
    with open(os.path.join(HERE, "snippets.json"), "w", encoding="utf-8") as f:
        json.dump({"messages": messages, "variables": VARIABLES, "now": NOW, "snippets": out}, f, ensure_ascii=False, indent=1)
        f.write("\n")
    chats = []
    for path in sorted(glob.glob(os.path.join(HERE, "src", "*.jinja"))):
        with open(path, encoding="utf-8", newline="") as f:
            template = f.read()
        cases = [{"conversation": i, **render(template, *c)} for i, c in enumerate(CONVERSATIONS)]
        chats.append({"name": os.path.basename(path)[:-6], "template": template, "cases": cases})
    conversations = [{"messages": m, "variables": v, "add_generation_prompt": g} for m, v, g in CONVERSATIONS]
    with open(os.path.join(HERE, "chats.json"), "w", encoding="utf-8") as f:
        json.dump({"now": NOW, "conversations": conversations, "templates": chats}, f, ensure_ascii=False, indent=1)
        f.write("\n")
    print(len(out), "snippets,", sum("error" in s for s in out), "of them errors;", len(chats), "templates x", len(CONVERSATIONS))


if __name__ == "__main__":
    main()
