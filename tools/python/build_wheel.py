#!/usr/bin/env python3
"""Writes a wheel of the package with libkedge inside, with nothing but the standard library and without a network:
build_wheel.py --library build/release/libkedge.so -o DIR. The library's own dependencies (docs/python.md) stay those of
the system, so the tag is linux_<machine>, which promises no more than this machine's kind."""
import argparse
import base64
import ctypes
import hashlib
import io
import platform
import re
import sys
import zipfile
from pathlib import Path
from typing import Dict

HERE = Path(__file__).resolve().parent
DATE = (1980, 1, 1, 0, 0, 0)  # equal inputs, equal bytes
ELF_MACHINES = {62: "x86_64", 183: "aarch64"}


def machine_of(library: bytes) -> str:
    if library[:4] != b"\x7fELF":
        raise SystemExit("build_wheel: the library is no ELF file")
    machine = int.from_bytes(library[18:20], "little")
    if machine not in ELF_MACHINES:
        raise SystemExit(f"build_wheel: the library is for ELF machine {machine}, no wheel is known for it")
    return ELF_MACHINES[machine]


def version_of(library: Path) -> str:
    """From the library where it can be loaded; a library of another machine says it by its file's name."""
    try:
        loaded = ctypes.CDLL(str(library.resolve()))
        loaded.kedge_version.restype = ctypes.c_char_p
        return str(loaded.kedge_version().decode())
    except OSError:
        named = re.search(r"\.so\.\d+\.(\d+\.\d+\.\d+)$", library.resolve().name)
        if named is None:
            raise SystemExit(f"build_wheel: {library} cannot be loaded here, and its name has no version") from None
        return named.group(1)


def metadata(version: str) -> str:
    readme = (HERE.parent.parent / "docs" / "python.md")
    return (f"Metadata-Version: 2.1\nName: kedge\nVersion: {version}\n"
            "Summary: Transformer language models on ordinary CPUs\nRequires-Python: >=3.9\n"
            "Provides-Extra: numpy\nRequires-Dist: numpy; extra == \"numpy\"\n"
            "Description-Content-Type: text/markdown\n\n" + (readme.read_text("utf-8") if readme.is_file() else ""))


def contents(library: Path) -> Dict[str, bytes]:
    """Every file but RECORD."""
    binary = library.read_bytes()
    machine = machine_of(binary)
    version = version_of(library)
    info = f"kedge-{version}.dist-info"
    files = {f"kedge/{p.name}": p.read_bytes() for p in sorted((HERE / "kedge").iterdir())
             if p.suffix == ".py" or p.name == "py.typed"}
    files["kedge/libkedge.so"] = binary
    files[f"{info}/METADATA"] = metadata(version).encode("utf-8")
    files[f"{info}/WHEEL"] = ("Wheel-Version: 1.0\nGenerator: kedge build_wheel\nRoot-Is-Purelib: false\n"
                              f"Tag: py3-none-linux_{machine}\n").encode()
    files[f"{info}/top_level.txt"] = b"kedge\n"
    licence = HERE.parent.parent / "LICENSE"
    if licence.is_file():
        files[f"{info}/LICENSE"] = licence.read_bytes()
    return files


def record(files: Dict[str, bytes], own: str) -> bytes:
    rows = io.StringIO()
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.write(f"{name},sha256={digest},{len(data)}\n")
    rows.write(f"{own},,\n")
    return rows.getvalue().encode()


def build(library: Path, folder: Path) -> Path:
    files = contents(library)
    info = next(name for name in files if name.endswith("/WHEEL")).rsplit("/", 1)[0]
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    machine = machine_of(files["kedge/libkedge.so"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{info[:-len('.dist-info')]}-py3-none-linux_{machine}.whl"
    partial = wheel.with_suffix(".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            archive.writestr(entry, data)
    partial.replace(wheel)
    return wheel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True, help="the libkedge.so to put inside")
    parser.add_argument("-o", "--output", type=Path, default=Path("."), help="folder of the wheel")
    arguments = parser.parse_args()
    if not arguments.library.is_file():
        raise SystemExit(f"build_wheel: {arguments.library}: no such file")
    if platform.system() != "Linux":
        sys.stderr.write("build_wheel: wheels are for Linux only\n")
        raise SystemExit(1)
    print(build(arguments.library, arguments.output))


if __name__ == "__main__":
    main()
