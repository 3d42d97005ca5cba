"""The command's own help as pages: pages(KEDGE) gives {name: Markdown} and a list of (title, name) for the navigation."""
import html
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packaging"))
import help_pages  # noqa: E402 - the reader that man pages and completions are made with


def entry(e):
    names = ", ".join(f"<code>{html.escape(n)}</code>" for n in e.names)
    value = f' <span class="value">{html.escape(e.value)}</span>' if e.value else ""
    return f"<dt>{names}{value}</dt><dd>{html.escape(e.text)}</dd>"


def body(command, level):
    name = " ".join(["kedge", *command.path])
    out = [f"{'#' * level} {name} {{: #{'-'.join(['kedge', *command.path])} }}\n", f"{html.escape(command.about)}\n",
           f"```text\n{command.usage}\n```\n"]
    for title, entries in command.sections:
        if title == "Subcommands" and command.path:
            continue  # they follow
        out.append(f'\n<p class="group">{html.escape(title)}</p>\n\n<dl class="flags">' + "".join(map(entry, entries)) + "</dl>\n")
    footer = [line for line in command.footer if line != "Examples:"]
    if footer:
        out.append("\n```text\n" + "\n".join(footer) + "\n```\n")
    for sub in command.subcommands:
        out.append("\n" + body(sub, level + 1))
    return "\n".join(out)


def pages(kedge):
    root = help_pages.read(kedge, [])
    subcommands, root.subcommands = root.subcommands, []
    out, nav = {}, []
    for command in subcommands:
        name = f"kedge-{command.path[0]}.md"
        out[name] = body(command, 1)
        nav.append((command.path[0], name))
    table = "\n".join(f'<dt><a href="kedge-{c.path[0]}.html"><code>kedge {c.path[0]}</code></a></dt><dd>{html.escape(c.about)}</dd>'
                      for c in subcommands)
    options = "".join(entry(e) for title, entries in root.sections if title not in ("Subcommands",) for e in entries)
    out["commands.md"] = ("# The command\n\nEvery page of this part is made from `kedge ... --help`, as the man pages are.\n\n"
                          f'<dl class="flags">{table}</dl>\n\n## Of every command\n\n<dl class="flags">{options}</dl>\n')
    return out, nav
