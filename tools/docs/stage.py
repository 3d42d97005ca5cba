#!/usr/bin/python3
"""Gathers the site's sources: stage.py KEDGE OUT. Writes OUT/docs (the pages of docs/, the reference made from headers and
help, images) and OUT/mkdocs.yml."""
import re
import shutil
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
import commands  # noqa: E402
import headers  # noqa: E402

# What stands in the navigation, in its order.
NAV = [
    ("Start", ["index", "start", "first-ten-minutes", "cookbook", "pull", "loading", "chat", "config"]),
    ("Ideas", ["numbers", "memory", "router", "retrieval", "calibration", "audit", "generation", "performance"]),
    ("Programs", ["embedding", "python", "node", "serve", "convert", "models"]),
]
INSIDE = ["design", "eval-recall"]


def readable(text, name):
    """Markdown as GitHub and we write it, for a reader that wants a blank line before a list."""
    out, fenced, before = [], False, ""
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        is_item = re.match(r"([-*]|\d+\.) ", line) is not None
        in_list = re.match(r"([-*]|\d+\.) |  ", before) is not None
        if not fenced and is_item and before.strip() and not in_list:
            out.append("")
        out.append(line)
        before = line
    text = "\n".join(out) + "\n"
    text = re.sub(r"<!-- (?:not run|run)[^>]*-->\n", "", text)  # for tests/docs

    def link(found):
        label, target = found[1], found[2]
        if re.match(r"[a-z]+:|#|reference/", target) or (ROOT / "docs" / target.split("#")[0]).exists():
            return found[0]
        if (ROOT / "docs" / target.split("#")[0]).resolve().exists():
            return label  # a file of the source tree, which the site does not have
        raise SystemExit(f"stage: docs/{name} links to {target}, which is not there")

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, text)


def title_of(path):
    found = re.search(r"^# (.+)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return found[1] if found else path.stem


def main():
    kedge, out = sys.argv[1], Path(sys.argv[2])
    docs = out / "docs"
    shutil.rmtree(out, ignore_errors=True)
    docs.mkdir(parents=True)
    named = {p for _, pages in NAV for p in pages} | set(INSIDE)
    have = {p.stem for p in (ROOT / "docs").glob("*.md")}
    unplaced = sorted(have - named)
    for page in unplaced:
        sys.stderr.write(f"stage: NAV does not say where docs/{page}.md stands: it goes under Inside\n")
    for page in sorted(have):
        (docs / f"{page}.md").write_text(readable((ROOT / "docs" / f"{page}.md").read_text("utf-8"), f"{page}.md"), "utf-8")
    for kind in ("*.svg", "*.png"):
        for image in (ROOT / "docs").glob(kind):
            shutil.copy(image, docs)
    for folder in ("recordings", "performance"):
        if (ROOT / "docs" / folder).is_dir():
            shutil.copytree(ROOT / "docs" / folder, docs / folder)
    (docs / "reference").mkdir()
    for name, text in headers.pages(ROOT / "include" / "kedge").items():
        (docs / "reference" / name).write_text(text, "utf-8")
    pages, command_nav = commands.pages(kedge)
    for name, text in pages.items():
        (docs / "reference" / name).write_text(text, "utf-8")

    nav = [{section: [f"{p}.md" for p in pages if p in have]} for section, pages in NAV]
    nav.append({"Reference": [{h: f"reference/{h.replace('.', '-')}.md"} for h in headers.PAGES]
                + [{"The command": "reference/commands.md"}]
                + [{f"kedge {title}": f"reference/{name}"} for title, name in command_nav]})
    nav.append({"Inside": [f"{p}.md" for p in [*INSIDE, *unplaced] if p in have]})
    config = {
        "site_name": "Kedge", "docs_dir": "docs", "site_dir": str(ROOT / "build" / "site"), "use_directory_urls": False,
        "theme": {"name": None, "custom_dir": str(HERE / "theme")}, "plugins": [], "hooks": [str(HERE / "hooks.py")], "nav": nav,
        "strict": True,
        "markdown_extensions": ["tables", "fenced_code", "attr_list", "md_in_html", "sane_lists",
                                {"toc": {"permalink": "#", "toc_depth": "2-3"}},
                                {"codehilite": {"guess_lang": False, "css_class": "code"}}],
    }
    (out / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")


main()
