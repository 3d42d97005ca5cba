#!/usr/bin/env python3
"""kedge chat at a pseudo-terminal, every key and command: chat_pty_test.py KEDGE MODEL.gguf [CHECK...]. The last line
is "N passed, N failed"."""
import fcntl
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import struct
import sys
import tempfile
import termios
import threading
import time
import traceback

KEDGE, MODEL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WAIT = 60
PROMPT = r"\n\[\d+ %\] > "  # a new one: not one that is drawn again


class Chat:
    """The command at a terminal, with a state folder that tests share or not."""

    def __init__(self, *flags, state, prompt=PROMPT, columns=80, colour=False, n=4, ctx=1024, model=True):
        self.seen, self.prompt, self.state = "", prompt, state
        named = ["-m", MODEL] if model else []
        arguments = [KEDGE, "chat", *named, "--temp", "0", "-n", str(n), "-t", "1", "-c", str(ctx), *flags]
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(XDG_STATE_HOME=state, XDG_CONFIG_HOME=state, TERM="xterm")
            os.environ.pop("NO_COLOR", None)
            if not colour:
                os.environ["NO_COLOR"] = "1"
            os.execv(KEDGE, arguments)
        self.resize(columns)
        self.until_match(prompt)

    def resize(self, columns, rows=24):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        if not select.select([self.terminal], [], [], WAIT)[0]:
            raise AssertionError("it hangs; so far: " + repr(self.seen[-600:]))
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            data = b""
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def until(self, text):
        return self.until_match(re.escape(text))

    def until_match(self, pattern):
        while not (found := re.search(pattern, self.seen)):
            assert self.read(), "the end, without %r: %r" % (pattern, self.seen[-600:])
        at = found.end()
        before, self.seen = self.seen[:at], self.seen[at:]
        return before

    def type(self, text):
        data = text.encode()
        while data:  # and what is echoed meanwhile is taken, or both sides would wait
            readable, writable, _ = select.select([self.terminal], [self.terminal], [], WAIT)
            if readable:
                assert self.read()
            if writable:
                data = data[os.write(self.terminal, data[:1024]):]

    def say(self, text, enter="\n"):
        """What is shown from there to the next prompt."""
        self.type(text + enter)
        return self.until_match(self.prompt)

    def messages(self):
        """All that was said, as the chat itself writes it."""
        place = os.path.join(self.state, "now.json")
        self.type("/save %s\n" % place)
        self.until("The conversation is in")
        self.until_match(self.prompt)
        with open(place, encoding="utf-8") as file:
            return json.load(file)["messages"]

    def said(self):
        return [m["content"] for m in self.messages() if m["role"] == "user"]

    def end(self, how="\x04"):
        self.type(how)
        try:
            while self.read():
                pass
        finally:
            status = os.waitpid(self.child, 0)[1]
            os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


def keys(state):
    chat = Chat(state=state)
    typed = {
        "world\x01Hello \x05!": "Hello world!",                      # Ctrl-A, Ctrl-E
        "bcd\x1b[Ha\x1b[Fe": "abcde",                                # Home, End
        "acd\x1b[D\x1b[Db": "abcd",                                  # Left
        "abd\x02\x02\x06c\x04": "abc",                                # Ctrl-B, Ctrl-F, Ctrl-D
        "one two\x1bb\x1bbzero \x1bf!": "zero one! two",             # Alt-B, Alt-F
        "one two three\x1bb\x1bb\x0b": "one ",                       # Ctrl-K
        "one two\x1bb\x15": "two",                                   # Ctrl-U
        "one two three\x17\x17\x19 four": "one two  four",           # Ctrl-W twice, Ctrl-Y: the last one
        "abc\x1b[D\x1b[D\x1b[3~d": "adc",                            # Delete
        "ab\x7f\x7f\x7fcd": "cd",                                    # Backspace, also at the beginning
        "one two\x01\x1bdnone": "none two",                          # Alt-D
        "one\x1b[1;5Da\x1b[1;5Cb": "aoneb",                          # Ctrl-Left, Ctrl-Right
        "日本語\x1b[D\x7fx": "日x語",                                # wide characters
        "e\u0301a\u0308\x1b[D\x7fo": "oa\u0308",                     # combining ones are one with their base
        "\U0001f600!\x1b[D\x7fx": "x!",
        "one\\\ntwo": "one\ntwo",                                    # a line that goes on
        '"""\none\n\ntwo\n"""': "one\n\ntwo",
        "one\x1b\ntwo": "one\ntwo",                                  # Alt-Enter
        "\x1b[200~one\ntwo\x1b[201~ three\x1b[A!": "one!\ntwo three",  # Up within the text
        "a\x1b[15~\x1b[Zb\x1b[B": "ab",                              # keys that mean nothing
        "x" * 100 + "\x01y\x05z": "y" + "x" * 100 + "z",             # over two rows
        "a\tb": "a\tb",
    }
    for text in typed:
        chat.say(text)
    for said, wanted in zip(chat.said(), typed.values()):
        assert said == wanted, (said, wanted)
    assert chat.end() == 0


def completion(state):
    place = os.path.join(state, "completes")
    os.makedirs(os.path.join(place, "folder"))
    for name in ("alpha one.txt", "alpine.txt"):
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write("x")
    chat = Chat(state=state)

    def tab(typed, shown):  # the key comes by itself: in a pasted text it is a character
        chat.type(typed)
        chat.until(typed[-4:])
        chat.type("\t")
        return chat.until(shown)

    tab("/stat", "s")
    assert "context" in chat.say("")
    tab("/s", "/stats")  # several: they are listed
    chat.type("et ")
    tab("temperat", "ure")
    assert "temperature is 0.5" in chat.say(" 0.5")
    tab("/attach " + place + "/alpi", "ne.txt")
    assert "1 bytes" in chat.say("")
    tab("/attach " + place + "/al", "p")
    chat.type("\t")
    chat.until("alpha one.txt  alpine.txt")
    chat.until("/alp")
    tab("ha", " one.txt")
    assert "alpha one.txt" in chat.say("")
    tab("/load " + place + "/fo", "lder/")
    chat.type("\x15")
    tab("/model sc", "out")
    chat.type("\x15")
    tab("/tint o", "off  on")
    chat.until("/tint o")
    chat.type("\x15/qqq")
    chat.until("/qqq")
    chat.type("\t")
    chat.until("\x07")  # nothing begins so
    chat.type("\x15")
    chat.say("a word")
    assert chat.said()[-1].endswith("a word")
    assert chat.end() == 0


def certainty(state):
    prompt = r"\n\x1b\[1;32m\[\d+ %\] > \x1b\[0m"
    chat = Chat("--tint", state=state, colour=True, prompt=prompt, n=8)
    assert "Nothing has been answered" in chat.say("/why")
    shown = chat.say("Tell me of ships")
    assert re.search(r"\x1b\[(39|38;5;\d+)m[^\x1b]+\x1b\[39m", shown), shown
    why = chat.say("/why")
    for word in ("nothing was looked up", "tokens, each", "the least likely: ", "were read for it"):
        assert word in why, (word, why)
    assert "not tinted" in chat.say("/tint off")
    assert "\x1b[39m" not in chat.say("And of the sea")
    assert "How likely each token was" in chat.say("/tint on")
    assert "/tint on, or /tint off" in chat.say("/tint blue")
    assert chat.end() == 0
    chat = Chat(state=state)
    assert "needs a terminal with colours" in chat.say("/tint on")
    assert chat.end() == 0


def settings(state):
    os.makedirs(os.path.join(state, "kedge"), exist_ok=True)
    with open(os.path.join(state, "kedge", "kedge.toml"), "w", encoding="utf-8") as file:
        file.write('[chat]\nsystem = "Be brief."\n[presets.short]\nstop = ["."]\n')
    chat = Chat("--preset", "short", state=state)
    chat.say("Hello")
    assert chat.messages()[0] == {"role": "system", "content": "Be brief."}
    assert chat.end() == 0


MARKS = (("\x1b[200~", "\x1b[201~"), ("", ""))  # with and without a terminal that says what is pasted


def pastes(state):
    """500 lines, byte by byte."""
    lines = "\n".join("line %d" % i for i in range(500))
    for begin, end in MARKS:
        chat = Chat("--no-save", state=state, ctx=8192, n=1)
        chat.say(begin + lines + end)
        assert chat.said() == [lines], [len(s) for s in chat.said()]
        assert chat.end() == 0


def large_pastes(state):
    """100 kB: more than the context holds, which says how many tokens came; the same as of the file."""
    text = "0123456789 é 日本 abcdefgh words of a text\n" * 2400
    assert len(text.encode()) > 100000
    place = os.path.join(state, "text")
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)

    def count(chat, typed):
        chat.type(typed + "\n")
        shown = chat.until_match(r"the conversation has \d+ tokens")
        chat.until_match(PROMPT)
        return int(shown.split()[-2])

    chat = Chat(state=state, ctx=256)
    counts = [count(chat, begin + place + ":\n\n" + text + "\nthe end" + end) for begin, end in MARKS]
    assert count(chat, "\x1b[A") == counts[0], "once more, out of the history"
    chat.say("/attach " + place)
    assert [count(chat, "the end")] * 2 == counts, "as many tokens as the file has"
    assert chat.end() == 0


def history(state):
    chat = Chat(state=state)
    for text in ("first message", "second one\\\nof two lines", " in confidence"):
        chat.say(text)
    assert chat.end() == 0
    place = os.path.join(state, "kedge", "chat_history")
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o600
    with open(place, encoding="utf-8") as file:
        assert [json.loads(line) for line in file] == ["first message", "second one\\\nof two lines".replace("\\", "")]
    chat = Chat(state=state)
    chat.say("draft\x1b[A\x1b[A\x1b[A\x1b[A")        # older, to the oldest: the two-line one takes two
    chat.say("draft\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B ed")  # and back to what was typed
    chat.say("\x12first")                            # searched for, and sent
    chat.say("\x12of tw\x05!")                       # found, and edited
    chat.say("kept\x12nothing like it\x07")          # given up
    said = chat.said()
    assert said[0] == "first message", said
    assert said[1] == "draft ed", said
    assert said[2] == "first message", said
    assert said[3] == "second one\nof two lines!", said
    assert said[4] == "kept", said
    assert chat.end() == 0


def commands(state):
    chat = Chat(state=state, n=8)
    helped = chat.say("/help")
    names = "/help /reset /system /retry /edit /undo /attach /json /set /model /save /load /stats /kv /why /tint /quit"
    for name in names.split():
        assert name in helped, name
    assert "perhaps /help is meant" in chat.say("/hlep")
    assert "perhaps /save is meant" in chat.say("/sav x")
    assert "There is no command /zzzz" in chat.say("/zzzz")
    assert "Nothing has been said yet" in chat.say("/undo")
    chat.say("/system Be brief.")
    chat.say("Hello")
    assert [m["role"] for m in chat.messages()] == ["system", "user", "assistant"]
    chat.say("/retry")
    assert chat.said() == ["Hello"]
    chat.type("/edit\n")
    chat.until_match(PROMPT + "Hello")
    chat.say(" there")
    assert chat.said() == ["Hello there"]
    assert "taken back" in chat.say("/undo")
    assert [m["role"] for m in chat.messages()] == ["system"]
    assert "temperature is 0.5" in chat.say("/set temp 0.5")
    assert "temperature 0.5" in chat.say("/set")
    assert "no setting is called" in chat.say("/set warmth 1")
    assert "is no number" in chat.say("/set top_p much")
    assert "is from" in chat.say("/set top_p 7")
    place = os.path.join(state, "notes.txt")
    with open(place, "w", encoding="utf-8") as file:
        file.write("The pump is in the cellar.\n")
    assert "27 bytes" in chat.say("/attach " + place)
    assert "no-such-file" in chat.say("/attach /no-such-file")
    chat.say("Where is it?")
    chat.say("And now?")
    assert chat.said() == [place + ":\n\nThe pump is in the cellar.\n\nWhere is it?", "And now?"]
    schema = '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}'
    assert "JSON of this schema" in chat.say("/json " + schema)
    chat.say("/set temp 0")
    answered = chat.say("Give me one.")
    assert chat.messages()[-1]["content"].lstrip().startswith("{"), answered
    assert "free text" in chat.say("/json off")
    chat.say("/json {")
    kept = os.path.join(state, "kept.json")
    before = chat.messages()
    chat.say("/save " + kept)
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    chat.say("/reset")
    assert chat.messages() == before[:1]
    assert "messages of" in chat.say("/load " + kept)
    assert chat.messages() == before
    assert "notes.txt" in chat.say("/load " + place)
    assert os.path.basename(MODEL) in chat.say("/model")
    assert "The model is" in chat.say("/model " + MODEL)
    assert chat.messages() == before, "the same conversation"
    chat.say("On we go")
    assert "generated at" in chat.say("/stats")
    assert chat.say("/kv")
    assert chat.end("/quit\n") == 0


def resumed(state):
    chat = Chat(state=state)
    chat.say("Remember the word pear")
    before = chat.messages()
    assert chat.end() == 0
    name = re.search(r"--resume (\S+)", chat.seen).group(1)
    place = os.path.join(state, "kedge", "chats", name + ".json")
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(place)).st_mode) == 0o700
    for which in ("last", name, name[:-1]):
        chat = Chat("--resume", which, state=state)
        assert chat.messages() == before
        assert chat.end() == 0
    chat = Chat("--resume", state=state)
    chat.say("And the word plum")
    assert chat.end() == 0
    with open(place, encoding="utf-8") as file:
        assert len(json.load(file)["messages"]) == len(before) + 2
    n = len(os.listdir(os.path.dirname(place)))
    chat = Chat("--no-save", state=state)
    chat.say("Not this")
    assert chat.end() == 0
    assert len(os.listdir(os.path.dirname(place))) == n


def resizing(state):
    chat = Chat(state=state, columns=40)
    chat.type("y" * 60)
    chat.until("y" * 20)
    chat.resize(20)
    chat.until("\x1b[J")
    chat.until("\r\r\n".join("y" * n for n in (12, 20, 20, 8)))  # behind the prompt, and below
    chat.say("z")
    assert chat.said() == ["y" * 60 + "z"]
    assert chat.end() == 0


def interrupts(state):
    chat = Chat("--no-save", state=state, ctx=8192)
    chat.type("half\x03")
    chat.until("leaves")
    chat.until_match(PROMPT)
    chat.say("whole")
    assert chat.said() == ["whole"]
    # An answer that is being read for; nothing of it stays.
    chat.type("word " * 6000 + "\n")
    chat.until("reading [")
    chat.type("\x03")
    chat.until("[stopped]")
    chat.until_match(PROMPT)
    assert chat.said() == ["whole"]
    chat.type("\x03")
    chat.until_match(PROMPT)
    assert chat.end("\x03") == 0


def full_context(state):
    chat = Chat(state=state, ctx=64, n=8)
    shown = ""
    for i in range(8):
        shown = chat.say("Tell me something about ships and the sea, part %d" % i)
        if "type f" in shown:
            break
    assert "type f to forget the oldest turns" in shown and "b to go on" in shown, shown
    n = len(chat.said())
    shown = chat.say("Tell me something about ships and the sea, and then more of it, please, if there is any")
    if "type f" in shown:
        assert "forgotten" in chat.say("f")
    assert chat.said()[-1].startswith("Tell me something about ships and the sea, and then"), chat.said()
    assert len(chat.said()) <= n
    for i in range(8):
        shown = chat.say("Go on with more of the ships and of the sea, part %d" % i)
        if "type f" in shown:
            break
    assert "tokens are kept" in chat.say("b")
    for i in range(6):
        chat.say("More of it, part %d" % i)
    assert len(chat.said()) > 6
    assert chat.end() == 0


def plain(state):
    chat = Chat("--plain", state=state, prompt=r"\nMessage, \d+ percent of the context used: ", colour=True)
    shown = chat.say("Helo\x7flo\x01x\x1b[3~")
    shown += chat.say("/help") + chat.say("/stats")
    assert "\x1b" not in shown.replace("\x1b[?2004h", "").replace("\x1b[?2004l", ""), "no colour, nothing drawn over"
    assert "Answer:" in shown
    assert chat.said() == ["xello"], chat.said()
    assert chat.end() == 0


def colours(state):
    chat = Chat(state=state, colour=True, prompt=r"\n\x1b\[1;32m\[\d+ %\] > \x1b\[0m")
    assert "\x1b[2m" in chat.say("/stats")
    assert chat.end() == 0


def reasoning(state):
    """A template that opens reasoning, of the same length: what the small model says is then all thought."""
    thinking = os.path.join(state, "thinking.gguf")
    with open(MODEL, "rb") as file:
        data = file.read()
    begin = data.index(b"tokenizer.chat_template") + len("tokenizer.chat_template") + 4 + 8
    length = struct.unpack("<Q", data[begin - 8:begin])[0]
    template = b"{% for m in messages %}{{'<|'+m['role']+'|>'+m['content']+'<|end|>'}}{% endfor %}" \
        b"{{'<|assistant|><think>'}}{#</think>"
    template += b" " * (length - len(template) - 2) + b"#}"
    with open(thinking, "wb") as file:
        file.write(data[:begin] + template + data[begin + length:])
    coloured = r"\n\x1b\[1;32m\[\d+ %\] > \x1b\[0m"
    for flags, prompt, begins in (
            ([], coloured, r"\x1b\[2m\w"),
            (["--reasoning", "hide"], coloured, r"(\x1b\[0m)?\r?\n\x1b\[2m\[cut"),
            (["--plain"], r"\nMessage, .* used: ", r"Answer:\r\nReasoning: \w")):
        chat = Chat("-m", thinking, *flags, state=state, colour=True, prompt=prompt, model=False)
        shown = chat.say("Hello")
        words = shown.split("\n", 1)[1]  # behind the message
        assert re.match(begins, words), words
        assert chat.messages()[-1]["content"] == "", "a thought is no part of the conversation"
        assert chat.end() == 0
    thoughts = []
    for budget in ("2", "4", "-1"):
        chat = Chat("-m", thinking, "--plain", "--reasoning-budget", budget, state=state, n=24, model=False,
                    prompt=r"\nMessage, .* used: ")
        shown = chat.say("Hello")
        thoughts.append(re.search(r"Reasoning: (.*?)\r?\n(End of the reasoning|\[cut|Message)", shown, re.DOTALL).group(1))
        assert chat.end() == 0
    assert len(thoughts[0]) < len(thoughts[1]) < len(thoughts[2]), thoughts


MARKDOWN = """# A **head**
plain *one* **bold** `code` 2 * 3
- first
  * second
#hash
```cpp
int *a = **b; // # no heading
```
end **open
next"""
ON_A_TERMINAL = (
    "\x1b[0m\x1b[1m\x1b[4mA \x1b[0m\x1b[1m\x1b[4mhead\x1b[0m\x1b[1m\x1b[4m\x1b[0m\n"
    "plain *one* \x1b[0m\x1b[1mbold\x1b[0m \x1b[0m\x1b[36mcode\x1b[0m 2 * 3\n"
    "• first\n"
    "  • second\n"
    "#hash\n"
    "\x1b[2m┌─ cpp\x1b[0m\n"
    "\x1b[2m│\x1b[0m int *a = **b; // # no heading\n"
    "\x1b[2m└─\x1b[0m\x1b[0m\n"
    "end \x1b[0m\x1b[1mopen\x1b[0m\n"
    "next\x1b[0m\n")


class Server(http.server.BaseHTTPRequestHandler):
    """Of one answer, a few characters at a time."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for at in range(0, len(MARKDOWN), 3):
            self.chunk({"content": MARKDOWN[at:at + 3]}, None)
        self.chunk({}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def chunk(self, delta, reason):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        self.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")

    def log_message(self, *arguments):
        pass


def markdown(state):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_port
    chat = Chat("--url", url, state=state, colour=True, prompt=r"\n\x1b\[1;32m> \x1b\[0m", model=False)
    shown = chat.say("Hello").replace("\r", "")
    assert ON_A_TERMINAL in shown, shown
    chat.say("/set top_p 0.5")
    chat.say("/model other")
    chat.say("/json {\"type\": \"object\"}")
    chat.say("/retry")
    assert chat.said() == ["Hello"] and chat.messages()[-1]["content"] == MARKDOWN
    assert chat.end() == 0
    first, last = server.asked
    assert first["messages"] == last["messages"] and first["seed"] != last["seed"]
    assert last["top_p"] == 0.5 and last["model"] == "other" and "response_format" in last
    server.shutdown()


def main():
    checks = [keys, pastes, large_pastes, history, commands, resumed, resizing, interrupts, full_context, plain,
              colours, reasoning, markdown, completion, certainty, settings]
    failed = 0
    wanted = sys.argv[3:]
    checks = [c for c in checks if not wanted or c.__name__ in wanted]
    for check in checks:
        state = tempfile.mkdtemp(prefix="kedge-chat-")
        began = time.monotonic()
        try:
            check(state)
            print("ok      %s (%.1f s)" % (check.__name__, time.monotonic() - began), flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print("FAILED  %s" % check.__name__, flush=True)
        finally:
            shutil.rmtree(state, ignore_errors=True)
    print("%d passed, %d failed" % (len(checks) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
