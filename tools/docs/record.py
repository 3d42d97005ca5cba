#!/usr/bin/python3
"""Recordings of the terminal: record.py KEDGE OUT [NAME...]. Runs the scenes of tools/docs/scenes.toml in a pseudo-terminal, types as a
person would, and writes OUT/NAME.svg: an animation without scripts that shows its end where motion is not wanted. Debian: python3-pyte."""
import fcntl
import html
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
import time
import tomllib
from pathlib import Path

import pyte

HERE = Path(__file__).resolve().parent
COLUMNS = 92
WIDTH, HEIGHT, PAD = 8.43, 19, 16  # of a cell; around the text
COLOURS = {"default": "#e4e4e1", "black": "#6d737a", "red": "#f0958a", "green": "#8ccb9f", "brown": "#e0b565", "blue": "#86b9dc",
           "magenta": "#cf9fdd", "cyan": "#7cc5bd", "white": "#e4e4e1"}
TYPED = 0.045  # seconds a key
IDLE = 1.2  # longest pause that is shown


class Terminal:
    """A bash in a pseudo-terminal, and what its screen showed when."""

    def __init__(self, rows, folder, environment, names):
        self.names = names  # paths of this machine, and what is shown instead
        self.screen = pyte.Screen(COLUMNS, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.frames = []  # (time, lines)
        self.shown = 0.0  # time of the recording, without long pauses
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))

    def look(self):
        lines = [tuple(self.cells(row)) for row in range(self.screen.lines)]
        while lines and not lines[-1]:
            lines.pop()
        if not self.frames or self.frames[-1][1] != lines:
            self.frames.append((self.shown, lines))

    def cells(self, row):
        """Runs of equal look: (column, text, colour, bold, dim)."""
        runs = []
        line = self.screen.buffer[row]
        last = max((x for x in range(COLUMNS) if line[x].data.strip()), default=-1)
        for x in range(last + 1):
            cell = line[x]
            colour = cell.fg if cell.fg in COLOURS else f"#{cell.fg}" if re.fullmatch(r"[0-9a-f]{6}", cell.fg) else "default"
            look = (colour, cell.bold)
            if runs and runs[-1][2:] == look:
                runs[-1] = (runs[-1][0], runs[-1][1] + cell.data, *look)
            else:
                runs.append((x, cell.data, *look))
        return runs

    def read(self, until, quiet, limit=180.0):
        """Until the pattern stands on the screen and nothing came for so long."""
        begin = last = time.monotonic()
        while True:
            ready, _, _ = select.select([self.fd], [], [], 0.05)
            now = time.monotonic()
            if ready:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    return
                self.shown += min(now - last, IDLE)
                last = now
                for path, shown in self.names.items():
                    data = data.replace(path.encode(), shown.encode())
                self.stream.feed(data)
                self.look()
            elif now - last > quiet and (until is None or any(re.search(until, line) for line in self.screen.display)):
                return
            if now - begin > limit:
                raise SystemExit(f"record: {until!r} did not come; the screen has\n" + "\n".join(self.screen.display))

    def type(self, text):
        for key in text:
            os.write(self.fd, key.encode())
            self.shown += TYPED
            self.read(None, 0.0)
        self.shown += 0.35

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def svg(frames, rows, title, pause=4.0):
    """Each line that was ever shown is drawn once; each frame is a group that is visible for its time."""
    known, symbols, groups, steps = {}, [], [], []
    total = frames[-1][0] + pause
    for number, (begin, lines) in enumerate(frames):
        uses = []
        for row, line in enumerate(lines):
            if not line:
                continue
            if line not in known:
                known[line] = len(known)
                spans = "".join(
                    f'<tspan x="{x * WIDTH:.1f}"' + ("" if colour == "default" else f' fill="{COLOURS.get(colour, colour)}"')
                    + (' font-weight="700"' if bold else "") + f">{html.escape(text)}</tspan>" for x, text, colour, bold in line)
                symbols.append(f'<text id="l{known[line]}" xml:space="preserve">{spans}</text>')
            uses.append(f'<use href="#l{known[line]}" y="{PAD + 30 + row * HEIGHT + 14}" x="{PAD}"/>')
        end = frames[number + 1][0] if number + 1 < len(frames) else total
        last = number + 1 == len(frames)
        groups.append(f'<g class="{"z" if last else "f"} f{number}">{"".join(uses)}</g>')
        a, b = 100 * begin / total, 100 * end / total
        off = "" if last else f" {b:.3f}%, 100% {{ visibility: hidden }}"
        steps.append(f"@keyframes k{number} {{ 0% {{ visibility: {'visible' if begin == 0 else 'hidden'} }} "
                     f"{a:.3f}% {{ visibility: visible }}{off} }} .f{number} {{ animation: k{number} {total:.2f}s steps(1) infinite }}")
    width, height = COLUMNS * WIDTH + 2 * PAD, rows * HEIGHT + 2 * PAD + 30
    style = ("text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #e4e4e1 } "
             ".f { visibility: hidden } @media (prefers-reduced-motion: no-preference) { " + " ".join(steps) + " }")
    dots = "".join(f'<circle cx="{PAD + 6 + 18 * i}" cy="18" r="5" fill="#3a3f45"/>' for i in range(3))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
            f'role="img" aria-label="{html.escape(title)}"><style>{style}</style><rect width="100%" height="100%" rx="8" fill="#15171a"/>'
            f"{dots}<defs>{''.join(symbols)}</defs>{''.join(groups)}</svg>\n")


def record(scene, kedge, out):
    rows = scene.get("rows", 22)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in scene.get("files", {}).items():
            Path(folder, name).write_text(text, "utf-8")
        environment = {"PATH": f"{kedge.parent}:/usr/bin:/bin", "HOME": folder, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ ",
                       "COLUMNS": str(COLUMNS), "LINES": str(rows)}
        names = {folder: "~", str(kedge.parents[2] / "models"): "/usr/share/kedge/models"}
        terminal = Terminal(rows, folder, environment, names)
        try:
            terminal.read(r"^\$ ", 0.3)
            terminal.frames.clear()
            terminal.shown = 0.0
            terminal.look()
            for step in scene["steps"]:
                terminal.type(step["type"])
                sent = step["type"].endswith("\r")  # then an answer comes
                terminal.read(step.get("until", r"^\$ *$" if sent else None), step.get("quiet", 0.6 if sent else 0.1), step.get("limit", 90))
                terminal.shown += step.get("pause", 1.0 if sent else 0.0)
        finally:
            terminal.close()
    text = svg(terminal.frames, rows, scene["title"])
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{scene['name']}.svg").write_text(text, "utf-8")
    print(f"{out}/{scene['name']}.svg: {len(terminal.frames)} frames, {terminal.shown:.0f} s, {len(text) // 1024} KB")


def main():
    kedge, out, names = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:]
    if shutil.which("bash") is None:
        raise SystemExit("record: no bash")
    scenes = tomllib.loads((HERE / "scenes.toml").read_text("utf-8"))["scene"]
    for scene in scenes:
        if not names or scene["name"] in names:
            record(scene, kedge, out)


main()
