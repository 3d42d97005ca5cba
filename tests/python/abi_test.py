#!/usr/bin/env python3
"""tools/python/kedge/_abi.py against include/kedge/*.h: names by reading the headers, layouts by what the C compiler
says (CC, else cc). So that the two cannot drift."""
import ctypes
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "python"))

import kedge  # noqa: E402
from kedge import _abi, errors  # noqa: E402

HEADERS = ("kedge.h", "kedge_generation.h", "kedge_router.h")
TEXT = "\n".join(re.sub(r"/\*.*?\*/", " ", (ROOT / "include" / "kedge" / name).read_text("utf-8"), flags=re.DOTALL)
                 for name in HEADERS)
PLAIN = {"int": "i", "int32_t": "i", "uint32_t": "u", "uint64_t": "q", "size_t": "z", "float": "f", "double": "d",
         "kedge_status": "s", "void": "v"}
KINDS = {ctypes.c_int32: "i", ctypes.c_uint64: "u", ctypes.c_size_t: "u", ctypes.c_float: "f", ctypes.c_double: "f",
         ctypes.c_void_p: "p", _abi.Str: "s"}


def letter(declaration: str) -> str:
    """Of a parameter or a result, as _abi writes it."""
    if "*" in declaration or re.search(r"\bkedge_\w+_fn\b", declaration):
        return "p"
    words = [w for w in declaration.split() if w not in ("const", "struct")]
    return PLAIN[words[0]]


def parameters(text: str) -> str:
    return "" if text.strip() == "void" else "".join(letter(p) for p in text.split(","))


class Headers(unittest.TestCase):
    def test_functions(self) -> None:
        declared = {}
        for result, name, rest in re.findall(r"KEDGE_API\s+([\w\s*]+?)\s*(kedge_\w+)\(([^)]*)\);", TEXT):
            first = "c" if result.replace(" ", "") == "constchar*" else letter(result)
            # Calls take a status as a number.
            declared[name] = first + parameters(rest).replace("s", "i")
        self.assertGreater(len(declared), 90)
        self.assertEqual(declared, _abi.FUNCTIONS)

    def test_callbacks(self) -> None:
        declared = dict(re.findall(r"typedef int \(\*(kedge_\w+_fn)\)\(([^)]*)\);", TEXT))
        by_letter = {"p": ctypes.c_void_p, "i": ctypes.c_int32, "z": ctypes.c_size_t}
        self.assertEqual(set(declared), set(_abi.CALLBACKS))
        for name, rest in declared.items():
            self.assertEqual([by_letter[x] for x in parameters(rest)], list(_abi.CALLBACKS[name]._argtypes_), name)

    def test_members(self) -> None:
        declared = {}
        for name, body in re.findall(r"typedef struct (kedge_\w+) \{(.*?)\} \1;", TEXT, flags=re.DOTALL):
            declared[name] = [line.split()[-1].lstrip("*") for line in body.split(";") if line.strip()]
        ours = {name: [f[0] for f in struct._fields_] for name, struct in _abi.STRUCTS.items()}
        self.assertEqual(declared, ours)

    def test_numbers(self) -> None:
        declared = {name: int(value) for name, value in re.findall(r"\b(KEDGE_[A-Z0-9_]+) = (-?\d+)", TEXT)}
        ours = {prefix + name.upper(): value for prefix, group in _abi.NUMBERS.items() for name, value in group.items()}
        self.assertEqual(declared, ours)
        self.assertEqual(int(re.findall(r"#define KEDGE_ABI_VERSION (\d+)", TEXT)[0]), _abi.ABI_VERSION)

    def test_exceptions(self) -> None:
        statuses = _abi.NUMBERS["KEDGE_"]
        self.assertEqual(sorted(errors.BY_STATUS), sorted(set(statuses.values()) - {0}))
        for name, status in statuses.items():
            if status and name != "io":  # "Io" alone says too little
                self.assertEqual(errors.BY_STATUS[status].__name__, "".join(w.title() for w in name.split("_")))


class Layouts(unittest.TestCase):
    def test_the_compiler_agrees(self) -> None:
        lines = ["#include <stdio.h>", '#include "kedge/kedge.h"', '#include "kedge/kedge_router.h"',
                 "#define KIND(x) _Generic((x), int: 'i', unsigned long: 'u', unsigned long long: 'u', float: 'f', "
                 "double: 'f', kedge_str: 's', default: 'p')", "int main(void) {"]
        ours = []
        for name, struct in _abi.STRUCTS.items():
            ours.append(f"{name} {ctypes.sizeof(struct)}")
            lines.append(f'  printf("{name} %zu\\n", sizeof({name}));')
            for field, kind in struct._fields_:
                place = getattr(struct, field)
                ours.append(f"{name}.{field} {place.offset} {place.size} {KINDS[kind]}")
                lines.append(f'  printf("{name}.{field} %zu %zu %c\\n", offsetof({name}, {field}), '
                             f"sizeof((({name}*)0)->{field}), KIND((({name}*)0)->{field}));")
        lines += ["  return 0;", "}"]
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "layout.c", Path(folder) / "layout"
            source.write_text("\n".join(lines))
            subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-std=c11", f"-I{ROOT / 'include'}", str(source),
                            "-o", str(program)], check=True)
            said = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
        self.assertEqual(said.splitlines(), ours)

    def test_the_library_is_this_version(self) -> None:
        project = re.search(r"project\(\s*kedge\s+VERSION\s+([\d.]+)", (ROOT / "CMakeLists.txt").read_text("utf-8"))
        assert project is not None
        self.assertEqual(kedge.__version__, project.group(1))


if __name__ == "__main__":
    unittest.main()
