#!/usr/bin/env python3
"""Runs what the documentation shows: snippets_test.py KEDGE PAGE... [--libraries BUILD]

Of every page the fenced blocks run in their order, in one folder: `sh` in one bash, `python` in one interpreter, `js` as one
module, `c` and `cpp` compiled and linked each. The lines of a block of `text` right below have to come out, `...` standing for anything. A
block under "<!-- not run: REASON -->" is left out, and the reason has to be there."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>[^>]*?)-->\n)?^```(?P<kind>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("sh", "python", "js", "c", "cpp")
MARK = "=====8<===== end of snippet"


class Failure(Exception):
    pass


class Snippet:
    def __init__(self, page, line, kind, code, why):
        self.place, self.kind, self.code, self.why, self.expected = f"{page.name}:{line}", kind, code, why, None


def snippets(page):
    text = page.read_text("utf-8")
    found, end = [], 0
    for match in BLOCK.finditer(text):
        kind = match["kind"]
        line = text.count("\n", 0, match.start()) + 1
        if kind == "text" and found and not text[end:match.start()].strip():
            found[-1].expected = match["code"]
        elif kind in RUN:
            if match["why"] is not None and len(match["why"].strip()) < 10:
                raise Failure(f"{page.name}:{line}: 'not run' needs a reason")
            found.append(Snippet(page, line, kind, match["code"], match["why"]))
        end = match.end()
    return found


def compare(snippet, said):
    """Every line has to come out, in this order; others may stand between. `...` within a line stands for anything."""
    if snippet.expected is None:
        return
    lines = iter(said.splitlines())
    for wanted in snippet.expected.strip().splitlines():
        pattern = ".*".join(re.escape(part) for part in wanted.strip().split("..."))
        if not any(re.fullmatch(pattern, line.strip()) for line in lines):
            raise Failure(f"{snippet.place}: expected\n{snippet.expected}\n--- '{wanted}' is not (or not there) in\n{said}")


def run_shell(parts, folder, environment):
    """All in one bash, so that what one sets is there for the next."""
    script = "set -eo pipefail\n" + "".join(f"{p.code}\nprintf '%s\\n' '{MARK}'\n" for p in parts)
    run = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=1200)
    outputs = run.stdout.split(MARK + "\n")
    for snippet, said in zip(parts, outputs):
        if snippet is parts[len(outputs) - 1 if run.returncode else -1] and run.returncode:
            break
        compare(snippet, said)
    if run.returncode:
        failed = parts[min(len(outputs) - 1, len(parts) - 1)]
        raise Failure(f"{failed.place}: exit code {run.returncode}\n{outputs[-1]}{run.stderr}")


def run_python(parts, folder, environment):
    code = "".join(f"exec(compile({p.code!r}, {p.place!r}, 'exec'), globals())\nprint({MARK!r})\n" for p in parts)
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=1200,
                         env={**environment, "PYTHONPATH": str(ROOT / "tools" / "python")})
    if run.returncode:
        raise Failure(f"{parts[0].place}: {run.stderr}")
    for snippet, said in zip(parts, run.stdout.split(MARK + "\n")):
        compare(snippet, said)


def run_node(parts, folder, environment):
    """One module: imports go to its top anyway."""
    modules = Path(folder, "node_modules")
    modules.mkdir(exist_ok=True)
    if not (modules / "kedge").exists():
        (modules / "kedge").symlink_to(ROOT / "tools" / "node")
    file = Path(folder, "snippets.mjs")
    file.write_text("".join(f"// {p.place}\n{p.code}\nconsole.log({MARK!r});\n" for p in parts), "utf-8")
    run = subprocess.run(["node", str(file)], cwd=folder, capture_output=True, text=True, timeout=1200, env=environment)
    if run.returncode:
        raise Failure(f"{parts[0].place}: {run.stdout}{run.stderr}")
    for snippet, said in zip(parts, run.stdout.split(MARK + "\n")):
        compare(snippet, said)


def run_compiled(snippet, folder, environment, build):
    compiler, standard = ("cc", "-std=c99") if snippet.kind == "c" else ("c++", "-std=c++20")
    source = Path(folder, f"snippet.{'c' if snippet.kind == 'c' else 'cc'}")
    source.write_text(snippet.code, "utf-8")
    program = Path(folder, "snippet")
    made = subprocess.run([compiler, standard, "-pedantic-errors", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", str(source), "-o",
                           str(program), f"{build}/libkedge.so", f"-Wl,-rpath,{build}"], capture_output=True, text=True)
    if made.returncode:
        raise Failure(f"{snippet.place}: {made.stderr}")
    run = subprocess.run([str(program), str(ROOT / "models" / "scout-q8_0.gguf")], capture_output=True, text=True, timeout=600,
                         env=environment)
    if run.returncode or not run.stdout.strip() or run.stderr:
        raise Failure(f"{snippet.place}: exit code {run.returncode}, {run.stdout!r}, {run.stderr!r}")
    compare(snippet, run.stdout)


def run_page(page, kedge, build):
    parts = [p for p in snippets(page) if p.why is None]
    kinds = sorted({p.kind for p in parts})
    if not parts:
        raise Failure(f"{page.name} has no snippets that run")
    if "js" in kinds and (shutil.which("node") is None or not (build / "kedge.node").exists()):
        print(f"{page.name}: js is skipped: no node, or the addon is not built")
        kinds.remove("js")
    with tempfile.TemporaryDirectory() as folder:
        state = {name: str(Path(folder, name)) for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        environment = {**os.environ, **state, "PATH": f"{kedge.parent}:{os.environ['PATH']}", "KEDGE_LIBRARY": str(build / "libkedge.so"),
                       "KEDGE_NODE": str(build / "kedge.node"), "NO_COLOR": "1", "KEDGE_ASK_DEADLINE": "900", "PYTHONDONTWRITEBYTECODE": "1"}
        for kind in kinds:
            chosen = [p for p in parts if p.kind == kind]
            if kind == "sh":
                run_shell(chosen, folder, environment)
            elif kind == "python":
                run_python(chosen, folder, environment)
            elif kind == "js":
                run_node(chosen, folder, environment)
            else:
                for snippet in chosen:
                    run_compiled(snippet, folder, environment, build)
    print(f"{page.name}: {', '.join(f'{sum(p.kind == k for p in parts)} {k}' for k in kinds)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kedge", type=Path)
    parser.add_argument("pages", nargs="+", type=Path)
    arguments = parser.parse_args()
    kedge = arguments.kedge.resolve()
    failed = False
    for page in arguments.pages:
        try:
            run_page(page, kedge, kedge.parent)
        except (Failure, subprocess.TimeoutExpired) as failure:
            failed = True
            print(f"FAILED {failure}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
