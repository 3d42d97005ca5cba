#!/usr/bin/env python3
"""kedge ask at a pseudo-terminal: ask_pty_test.py KEDGE MODELS. The last line is "N passed, N failed"."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import traceback

KEDGE, MODELS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WAIT = 60
FACT = "Which product is Birkenchester famous for?"
POOL = """threads = 1
[policy]
deadline_s = 3600
[aliases]
fast = "scout"
deep = "sage"
[models.scout]
path = "%s/scout-q8_0.gguf"
[models.sage]
path = "%s/sage-q4_k_m.gguf"
"""


class Terminal:
    """One command at a terminal; `shown` is what it sent."""

    def __init__(self, state, *arguments, columns=80, colour=True):
        self.shown = ""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(XDG_STATE_HOME=state, XDG_CONFIG_HOME=state, XDG_CACHE_HOME=state, TERM="xterm")
            os.environ.pop("NO_COLOR", None)
            if not colour:
                os.environ["NO_COLOR"] = "1"
            os.execv(KEDGE, [KEDGE, *arguments])
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def until(self, text):
        while text not in self.shown:
            assert select.select([self.terminal], [], [], WAIT)[0], "it hangs: %r" % self.shown
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                data = b""
            if not data:
                return False
            self.shown += data.decode("utf-8", "replace")
        return True

    def end(self):
        self.until("\0")  # what never comes
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def pool(state):
    place = os.path.join(state, "pool.toml")
    with open(place, "w", encoding="utf-8") as file:
        file.write(POOL % (MODELS, MODELS))
    return place


def draft_is_taken_back(state):
    """Shown dim while it is written; what is withheld is not left on the screen."""
    asked = Terminal(state, "ask", FACT, "--pool", pool(state), "--no-audit")
    code = asked.end()
    assert code == 3, (code, asked.shown)
    draft = re.search(r"\x1b\[2m\(draft\) ", asked.shown)
    assert draft, asked.shown
    erased = asked.shown.rindex("\x1b[J")
    assert draft.start() < erased, asked.shown
    left = asked.shown[erased:]
    assert "flax" not in left and "low_confidence: " in left, left


def sure_is_marked(state):
    asked = Terminal(state, "ask", "What is 6 + 5?", "--pool", pool(state), "--no-audit", "-m", "fast")
    assert asked.end() == 0, asked.shown
    assert "\x1b[2m(draft) " in asked.shown, asked.shown
    assert "\x1b[1;32m\u2713\x1b[0m \x1b[1m11\x1b[0m" in asked.shown, asked.shown
    assert "Checked: arithmetic" in asked.shown, asked.shown


def tall_draft_stays(state):
    """One that is taller than the terminal cannot be taken back, and is named for what it is."""
    asked = Terminal(state, "ask", "Write the numbers from one to a hundred.", "--pool", pool(state), "--no-audit",
                     "-m", "fast", "-n", "60", "--draft", columns=8)
    assert asked.end() in (0, 3), asked.shown
    assert "(draft) " in asked.shown, asked.shown
    low = asked.shown.rindex("low confidence: ")
    assert asked.shown[low:].startswith(("low confidence: (what stands above", "low confidence: ")), asked.shown


def nothing_is_drawn_where_not_wanted(state):
    quiet = Terminal(state, "ask", FACT, "--pool", pool(state), "--no-audit", "--no-stream", colour=False)
    assert quiet.end() == 3, quiet.shown
    assert "(draft)" not in quiet.shown and "\x1b[" not in quiet.shown, quiet.shown
    plain = Terminal(state, "ask", FACT, "--pool", pool(state), "--no-audit", colour=False)
    assert plain.end() == 3
    assert "(draft) " in plain.shown and "\x1b[2m" not in plain.shown, plain.shown


def loading_is_told(state):
    asked = Terminal(state, "ask", FACT, "--pool", pool(state), "--no-audit")
    assert asked.until("loading the fast model ..."), asked.shown
    asked.end()


def stopped(state):
    asked = Terminal(state, "ask", FACT + " word" * 800, "--pool", pool(state), "--no-audit", "-n", "4000", "-m", "deep")
    assert asked.until("loading the deep model ..."), asked.shown
    assert asked.until("tokens"), asked.shown
    os.kill(asked.child, signal.SIGINT)
    code = asked.end()
    assert code == 130, (code, asked.shown)


def main():
    checks = [draft_is_taken_back, sure_is_marked, tall_draft_stays, nothing_is_drawn_where_not_wanted, loading_is_told,
              stopped]
    failed = 0
    for check in checks:
        state = tempfile.mkdtemp(prefix="kedge-ask-")
        try:
            check(state)
            print("ok      %s" % check.__name__, flush=True)
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
