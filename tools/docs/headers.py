"""The C interface as pages, from the headers themselves: pages(FOLDER) gives {name: Markdown}.

A header is comments and declarations. A comment that begins with a rule ("/* --- Title ---") opens a section; one that stands
right on top of a declaration is its documentation, and declarations that follow without a blank line belong to it too."""
import html
import re
from pathlib import Path

NAME = re.compile(r"\b(kedge_\w+|KEDGE_\w+)\b((?:\(\))?)")
DECLARED = re.compile(r"KEDGE_API [^(;]*?\b(kedge_\w+)\(|\}\s*(kedge_\w+);|\(\*(kedge_\w+)\)\(|typedef struct \w+ (kedge_\w+);"
                      r"|#define (KEDGE_\w+)|typedef enum (kedge_\w+)|\b(KEDGE_[A-Z0-9_]+)\b(?=[ ]*[=,}])")
PAGES = {"kedge.h": "Models, sessions, memory", "kedge_generation.h": "Generation, constraints, adapters",
         "kedge_router.h": "The router, retrieval, records"}


def words(comment):
    """The text of a comment: lines without stars."""
    lines = comment.strip()[2:-2].strip().splitlines()
    return [re.sub(r"^ ?\* ?", "", line).rstrip() if i else line.rstrip() for i, line in enumerate(lines)]


def end_of(text, at):
    """Behind the declaration that begins here, with a comment on its last line."""
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            at = text.index("*/", at) + 2
            continue
        if text[at] in "{(":
            depth += 1
        elif text[at] in "})":
            depth -= 1
        elif text[at] == ";" and depth == 0:
            at += 1
            trailing = re.compile(r"[ \t]*/\*").match(text, at)
            return text.index("*/", at) + 2 if trailing else at
        at += 1
    raise SystemExit("headers: a declaration has no end")


def items(text):
    """(kind, text, blank line behind it) of what the header holds: "comment", "code", "skip" (other directives)."""
    at = 0
    while at < len(text):
        space = re.compile(r"\s*").match(text, at).end()
        if space == len(text):
            return
        at = space
        if text.startswith("/*", at):
            end, kind = text.index("*/", at) + 2, "comment"
        elif text.startswith(('extern "C" {', "}"), at):
            at = text.index("\n", at)
            continue
        elif text[at] == "#":
            end = text.index("\n", at)
            kind = "code" if re.match(r"#define KEDGE_[A-Z_]*VERSION", text[at:end]) else "skip"
            trailing = text.find("/*", at, end)
            if trailing >= 0:
                end = text.index("*/", trailing) + 2
        else:
            end, kind = end_of(text, at), "code"
        yield kind, text[at:end], bool(re.compile(r"[ \t]*\n[ \t]*\n").match(text, end))
        at = end


def prose(lines, known):
    """Paragraphs, lists, and what is indented, as HTML; names of the interface are links."""

    def inline(text):
        text = html.escape(text, quote=False)
        text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
        return NAME.sub(lambda m: f'<a href="{known[m[1]]}#{m[1]}"><code>{m[0]}</code></a>' if m[1] in known
                        else f"<code>{m[0]}</code>", text)

    out, block = [], []

    def flush():
        if not block:
            return
        if block[0].lstrip().startswith("- "):
            entries = re.split(r"\n\s*- ", "\n" + "\n".join(block))[1:]
            out.append("<ul>" + "".join(f"<li>{inline(' '.join(e.split()))}</li>" for e in entries) + "</ul>")
        elif sum(line.startswith("  ") for line in block) * 2 > len(block):
            lead = [] if block[0].startswith("  ") else [block[0]]
            if lead:
                out.append(f"<p>{inline(lead[0])}</p>")
            out.append(f"<pre class=\"plain\">{inline(chr(10).join(block[len(lead):]))}</pre>")
        else:
            out.append(f"<p>{inline(' '.join(line.strip() for line in block))}</p>")
        block.clear()

    previous_list = False
    for line in [*lines, ""]:
        is_list = line.lstrip().startswith("- ")
        indented = line.startswith("  ")
        if not line.strip() or (is_list and block and not previous_list):
            flush()
        elif indented and not is_list and block and not previous_list and not block[-1].startswith("  "):
            flush()
        elif not indented and not is_list and block and block[-1].startswith("  ") and not previous_list:
            flush()
        if line.strip():
            block.append(line)
        previous_list = bool(block) and block[0].lstrip().startswith("- ")
    return "\n".join(out)


def names_in(code):
    bare = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
    found = [n for m in DECLARED.finditer(bare) for n in m.groups() if n]
    return list(dict.fromkeys(found))


def groups(path):
    """(section or None, documentation lines, [declarations]) in order."""
    pending, current = [], None
    for kind, text, blank in items(path.read_text("utf-8")):
        if kind == "skip":
            if pending:
                yield (None, pending, [])
                pending = []
            continue
        if kind == "comment":
            if current:
                yield current
                current = None
            lines = words(text)
            if lines and lines[0].startswith("--- "):
                yield (lines[0].strip("- "), lines[1:], [])
            elif blank or not lines:
                yield (None, lines, [])
            else:
                pending = lines
            continue
        if current is None:
            current = (None, pending, [])
            pending = []
        current[2].append(text)
        if blank:
            yield current
            current = None
    if current:
        yield current


def pages(folder):
    folder = Path(folder)
    known = {}
    for name in PAGES:
        for _, _, declarations in groups(folder / name):
            for n in names_in("\n".join(declarations)):
                known.setdefault(n, f"{name.replace('.', '-')}.html")
    out = {}
    for name, title in PAGES.items():
        page = [f"# {name}: {title.lower() if title[0] != 'T' else title[0].lower() + title[1:]}\n",
                f"Made from `include/kedge/{name}`, which is installed as `<kedge/{name}>`.\n"]
        for section, lines, declarations in groups(folder / name):
            if section:
                page.append(f"\n## {section}\n")
            if declarations:
                named = [n for n in names_in("\n".join(declarations)) if known[n] == f"{name.replace('.', '-')}.html"]
                if named:
                    page.append(f"\n### {named[0]} {{: #{named[0]} .api }}\n")
                    page.append("".join(f'<a id="{n}"></a>' for n in named[1:]) + "\n")
                page.append("\n```c\n" + "\n".join(d.replace("KEDGE_API ", "") for d in declarations) + "\n```\n")
            text = prose(lines, known)
            if text:
                page.append(f'\n<div class="doc">\n{text}\n</div>\n')
        out[f"{name.replace('.', '-')}.md"] = "\n".join(page)
    return out
