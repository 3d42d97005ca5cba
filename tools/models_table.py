#!/usr/bin/env python3
"""Writes the table of docs/models.md anew from the head comments of engine/arch/*.cc.

  tools/models_table.py
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN = "| architecture | models | what is its own |\n|---|---|---|\n"


def row(source: str) -> str:
    """One architecture: its name, whose it is, and what its head comment says."""
    name = re.search(r'\.name = "([^"]+)"', source).group(1)
    head = " ".join(line[3:] for line in source[: source.index("#include")].splitlines())
    text = re.sub(r" \(engine/arch/\w+\.cc\)", "", head.split("Source:")[0]).strip().rstrip(".").replace("|", "/")
    models, _, own = text.partition(": ")
    if not own or len(models) > 80:
        models, _, own = text.partition(". ")
    return f"| `{name}` | {models} | {own} |\n"


def main() -> None:
    page = ROOT / "docs" / "models.md"
    text = page.read_text()
    start = text.index(BEGIN) + len(BEGIN)
    end = text.index("\n\n", start) + 1
    rows = [row(path.read_text()) for path in sorted((ROOT / "engine" / "arch").glob("*.cc"))]
    page.write_text(text[:start] + "".join(rows) + text[end:])


main()
