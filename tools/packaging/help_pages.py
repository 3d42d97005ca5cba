#!/usr/bin/env python3
"""Man pages and completions of the command, from its own help, so that they cannot say anything else:
help_pages.py KEDGE OUT. Writes OUT/man/kedge*.1, OUT/kedge.bash, OUT/_kedge (zsh), OUT/kedge.fish."""
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

OPTION = re.compile(r"^  ((?:-\w|--[\w-]+)(?:,--[\w-]+)*)(?: (\S(?:.*?\S)?))??(?:  +(\S.*))?$")
PLACE = re.compile(r"^  (\w[\w-]*)(?: (\S(?:.*?\S)?))??(?:  +(\S.*))?$")
INDENT = " " * 20  # of what goes on from the line before


@dataclass
class Entry:
    """An option, a positional argument or a subcommand."""

    names: list
    value: str
    text: str

    @property
    def choices(self):
        found = re.search(r":\{([^}]*)\}", self.value)
        return found.group(1).split(",") if found else []

    @property
    def kind(self):  # of the value: "FILE", "TEXT", ...
        return re.split(r"[:= ]", self.value)[0]


@dataclass
class Command:
    path: list
    about: str = ""
    usage: str = ""
    sections: list = field(default_factory=list)  # (title, entries)
    footer: list = field(default_factory=list)
    subcommands: list = field(default_factory=list)

    def options(self):
        return [e for title, entries in self.sections if title not in ("Subcommands", "Positionals") for e in entries]


def add_line(entries, pattern, line):
    found = pattern.match(line)
    if found:
        names, value, text = found.groups()
        entries.append(Entry(names.split(","), value or "", text or ""))
    elif entries and line.startswith(INDENT):
        entries[-1].text = (entries[-1].text + " " + line.strip()).strip()
    else:
        raise SystemExit(f"help_pages: this line of the help is not understood: {line!r}")


def read(kedge, path):
    text = subprocess.run([kedge, *path, "--help"], capture_output=True, text=True, check=True).stdout
    command = Command(path)
    entries, footer = None, False
    lines = [line for line in text.splitlines() if line.strip()]
    for line, after in zip(lines, [*lines[1:], ""]):
        if line.startswith("Usage: "):
            command.usage = line.removeprefix("Usage: ")
        elif not footer and line.endswith(":") and (OPTION.match(after) or line in ("Subcommands:", "Positionals:")):
            entries = []
            command.sections.append((line[:-1], entries))
        elif entries is None:
            command.about = (command.about + " " + line).strip()
        elif footer or not line.startswith(" "):  # behind all sections
            footer = True
            command.footer.append(line)
        else:
            plain = command.sections[-1][0] in ("Subcommands", "Positionals")
            add_line(entries, PLACE if plain else OPTION, line)
    for title, found in command.sections:
        if title == "Subcommands":
            command.subcommands = [read(kedge, [*path, e.names[0]]) for e in found]
    return command


def all_of(command):
    yield command
    for c in command.subcommands:
        yield from all_of(c)


# --- Man pages --------------------------------------------------------------------------------------------------------
def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def man(command, version):
    name = "-".join(["kedge", *command.path])
    lines = [f'.TH {name.upper()} 1 "" "{version}" "Kedge"', ".SH NAME", f"{roff(name)} \\- {roff(command.about)}",
             ".SH SYNOPSIS", f".B {roff(command.usage)}"]
    for title, entries in command.sections:
        lines.append(f".SH {title.upper()}")
        for e in entries:
            value = f" \\fI{roff(e.value)}\\fR" if e.value else ""
            lines += [".TP", ", ".join(f"\\fB{roff(n)}\\fR" for n in e.names) + value, roff(e.text)]
    if command.footer:
        lines += [".SH EXAMPLES" if command.footer[0] == "Examples:" else ".SH NOTES", ".nf"]
        lines += [roff(line) for line in command.footer if line != "Examples:"] + [".fi"]
    others = ["kedge"] if command.path else []
    others += ["-".join(["kedge", *c.path]) for c in command.subcommands]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{roff(o)}\\fR(1)" for o in others) or "the documentation of Kedge"]
    return "\n".join(lines) + "\n"


# --- Completions ------------------------------------------------------------------------------------------------------
MODELS = "kedge list 2>/dev/null | awk 'NR > 1 { print $1 }'"


def is_file(e):
    return any(word in e.kind for word in ("FILE", "PATH", "DIR", "FOLDER")) or e.names[-1] in ("--file", "--out", "--config")


def bash(root):
    out = ["# bash completion of kedge; made by tools/packaging/help_pages.py", "_kedge() {",
           '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path="" i',
           '  for ((i = 1; i < COMP_CWORD; i++)); do',
           '    case "$path ${COMP_WORDS[i]}" in']
    paths = "|".join(f'" {" ".join(c.path)}"' for c in all_of(root) if c.path)
    out += [f"      {paths}) path=\"$path ${{COMP_WORDS[i]}}\" ;;", "    esac", "  done",
            '  case "$path:$before" in']
    for c in all_of(root):
        where = " " + " ".join(c.path) if c.path else ""
        for e in c.options():
            if not e.value:
                continue
            keys = "|".join(f'"{where}:{n}"' for n in e.names)
            if e.choices:
                action = f'COMPREPLY=($(compgen -W "{" ".join(e.choices)}" -- "$word"))'
            elif e.kind == "FILE|NAME":
                action = f'COMPREPLY=($(compgen -f -- "$word") $(compgen -W "scout sage $({MODELS})" -- "$word"))'
            elif is_file(e):
                action = 'COMPREPLY=($(compgen -f -- "$word"))'
            else:
                action = "COMPREPLY=()"
            out.append(f"    {keys}) {action}; return ;;")
    out += ["  esac", '  case "$path" in']
    for c in all_of(root):
        where = " " + " ".join(c.path) if c.path else ""
        words = [s.path[-1] for s in c.subcommands] + [n for e in c.options() for n in e.names if n.startswith("--")]
        out.append(f'    "{where}") COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")) ;;')
    out += ["  esac", '  [[ ${#COMPREPLY[@]} -gt 0 || $word == -* ]] || COMPREPLY=($(compgen -f -- "$word"))', "}",
            "complete -o filenames -F _kedge kedge"]
    return "\n".join(out) + "\n"


def quoted(text):
    return text.replace("'", "’").replace("[", "(").replace("]", ")").replace(":", "\\:")


def zsh(root):
    out = ["#compdef kedge", "# zsh completion of kedge; made by tools/packaging/help_pages.py"]
    for c in all_of(root):
        name = "_".join(["_kedge", *[p.replace("-", "_") for p in c.path]])
        out += [f"{name}() {{", "  local curcontext=$curcontext state line", "  _arguments -C \\"]
        for e in c.options():
            value = ""
            if e.value:
                what = f"({' '.join(e.choices)})" if e.choices else "_files" if is_file(e) or e.kind == "FILE|NAME" else " "
                value = f":{quoted(e.kind.lower())}:{what}"
            for n in e.names:
                out.append(f"    '{n}[{quoted(e.text)}]{value}' \\")
        if not c.subcommands:
            out += ["    '*:file:_files'", "}"]
            continue
        out += ["    '1: :->command' '*:: :->rest'", "  case $state in", "    command) local commands=("]
        out += [f"        '{s.path[-1]}:{quoted(s.about)}'" for s in c.subcommands]
        out += ["      ); _describe command commands ;;", "    rest) case $line[1] in"]
        out += [f"        {s.path[-1]}) {name}_{s.path[-1].replace('-', '_')} ;;" for s in c.subcommands]
        out += ["      esac ;;", "  esac", "}"]
    return "\n".join(out) + '\n_kedge "$@"\n'


def fish(root):
    out = ["# fish completion of kedge; made by tools/packaging/help_pages.py", "complete -c kedge -f"]
    for c in all_of(root):
        if c.path:
            seen = " and ".join(f"__fish_seen_subcommand_from {p}" for p in c.path).replace(" and ", "; and ")
        else:
            seen = "__fish_use_subcommand"
        for s in c.subcommands:
            more = "" if not c.path else f"; and not __fish_seen_subcommand_from {' '.join(x.path[-1] for x in c.subcommands)}"
            out.append(f"complete -c kedge -n '{seen}{more}' -a {s.path[-1]} -d '{s.about.replace(chr(39), '’')}'")
        for e in c.options():
            line = f"complete -c kedge -n '{seen}'"
            for n in e.names:
                line += f" -l {n[2:]}" if n.startswith("--") else f" -s {n[1:]}"
            if e.value:
                line += " -x -a '" + " ".join(e.choices) + "'" if e.choices else " -r -F" if is_file(e) else " -x"
                if e.kind == "FILE|NAME":
                    line += f" -F -a \"(kedge list 2>/dev/null | tail -n +2 | string replace -r ' .*' '')\""
            out.append(line + f" -d '{e.text.replace(chr(39), '’')}'")
    return "\n".join(out) + "\n"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    kedge, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    version = subprocess.run([kedge, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    root = read(kedge, [])
    for c in all_of(root):
        write(f"{out}/man/{'-'.join(['kedge', *c.path])}.1", man(c, version))
    write(f"{out}/kedge.bash", bash(root))
    write(f"{out}/_kedge", zsh(root))
    write(f"{out}/kedge.fish", fish(root))


if __name__ == "__main__":
    main()
