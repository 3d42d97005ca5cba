"""Programs that are measured: how they are run, what a run cost, and what they are (version, commit, instruction sets)."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time

Run = collections.namedtuple("Run", "output errors seconds cpu_seconds resident")


def fail(message):
    sys.exit("%s: %s" % (os.path.basename(sys.argv[0]) or "peer", message))


def run(command, env=None):
    """Runs it to its end. CPU seconds (user and system) and peak resident bytes are those of the process and of those it
    waited for, so a launcher in front of it does not hide them."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                   env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    if process.returncode != 0:
        fail("%s ended with %d:\n%s" % (" ".join(command), process.returncode, texts[1].strip()[-2000:]))
    return Run(texts[0], texts[1], seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def read_array(text, command):
    """The JSON array in a program's output; some print a line of their own around it."""
    begin, end = text.find("["), text.rfind("]")
    try:
        return json.loads(text[begin:end + 1])
    except ValueError:
        fail("%s printed no JSON:\n%s" % (" ".join(command), text[-2000:]))


class Peer:
    """NAME=PATH[,argument...]: one program in one configuration."""

    def __init__(self, text):
        name, separator, rest = text.partition("=")
        if not separator or not name or not rest:
            raise argparse.ArgumentTypeError("'%s' is not NAME=PATH[,argument...]" % text)
        self.name = name
        self.path, *self.flags = rest.split(",")
        self._help = None
        self.commit = None  # llama-bench says it

    @property
    def help(self):
        if self._help is None:
            done = subprocess.run([self.path, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
            self._help = done.stdout
        return self._help

    @property
    def has_depth(self):
        return "--n-depth" in self.help

    @property
    def has_gp(self):
        return " -gp " in self.help

    @property
    def no_warmup(self):
        return ["--no-warmup"] if "--no-warmup" in self.help else ["-w", "0"]

    def describe(self):
        return {"name": self.name, "program": os.path.basename(self.path), "flags": self.flags, "commit": self.commit,
                **build_of(self.path)}


def build_of(program):
    """What a CMake build folder around the program says it was built for."""
    folder = os.path.dirname(os.path.realpath(program))
    for _ in range(3):
        cache = os.path.join(folder, "CMakeCache.txt")
        if os.path.isfile(cache):
            with open(cache, encoding="utf-8", errors="replace") as text:
                return build_in_cache(text.read())
        folder = os.path.dirname(folder)
    return {"isa": None, "build_type": None}


def build_in_cache(text):
    isa = re.findall(r"^GGML_(AVX\w*|AMX\w*|NATIVE):BOOL=(?:ON|1|TRUE)$", text, re.MULTILINE)
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(\w+)$", text, re.MULTILINE)
    return {"isa": sorted(set(name.lower() for name in isa)) or None, "build_type": kind.group(1) if kind else None}


def need_program(path):
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        fail("%s: no such program" % path)


def commit_of(folder):
    """Of a work tree, with "+" where it has changes; None outside of one."""
    git = ["git", "-C", folder]
    head = subprocess.run(git + ["rev-parse", "--short=10", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if head.returncode != 0:
        return None
    changes = subprocess.run(git + ["status", "--porcelain", "--untracked-files=no"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")
