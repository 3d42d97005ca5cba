#!/usr/bin/env python3
"""What the house measures itself by: numbers.py [FOLDER] [--list]. C++ sources without tests and data, and tests."""
import os
import re
import subprocess
import sys

LONG = 60
CONTROL = re.compile(r'^\s*(?:\}?\s*else|if|for|while|switch|catch|do|try|namespace|class|struct|enum|union|extern|return)\b')
SIGNATURE = re.compile(r'[\w>&*~\]]\s*\((?P<rest>.*)\)\s*(?:const|noexcept|override|final|&&?|->\s*[\w:<>,&*\s]+|\s)*'
                       r'(?::[^:].*)?$', re.S)


def blank(text):
    """The text without comments, strings and preprocessor lines; newlines stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
    text = pattern.sub(lambda m: '\n' * m.group().count('\n'), text)
    return re.sub(r'^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', lambda m: '\n' * m.group().count('\n'), text, flags=re.M)


def parameters(signature):
    """How many parameters the function of this signature has."""
    start = signature.find('operator()(')
    start = signature.find('(', start + 11 if start >= 0 else 0) if start < 0 else start + 10
    depth, commas, any_text = 0, 0, False
    for c in signature[start:]:
        if c in '([{<':
            depth += 1
        elif c in ')]}>':
            depth -= 1
            if depth == 0:
                break
        elif c == ',' and depth == 1:
            commas += 1
        any_text = any_text or (depth >= 1 and c not in '( \n')
    return commas + 1 if any_text else 0


def functions(text):
    """(line, lines, parameters, signature) of every function with a body."""
    text = blank(text)
    stack, since, line, found = [], 0, 1, []
    for i, c in enumerate(text):
        if c == '\n':
            line += 1
        elif c == '{':
            head = text[since:i].strip()
            inside = any(stack)
            is_function = (not inside and head and not CONTROL.match(re.sub(r'^template\s*<[^{]*?>\s*', '', head))
                           and '=' not in re.sub(r'operator[=!<>]+|[<>=!]=|=\s*(?:\w|::|\{\}|-)+\s*(?=[,)])', '', head)
                           and SIGNATURE.search(head))
            stack.append((line - head.count('\n'), head) if is_function else None)
            since = i + 1
        elif c == '}':
            if stack:
                opened = stack.pop()
                if opened:
                    found.append((opened[0], line - opened[0] + 1, parameters(opened[1]), opened[1]))
            since = i + 1
        elif c == ';':
            since = i + 1
    return found


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith('-')]
    root = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
    names = subprocess.run(['git', '-C', root, 'ls-files'], capture_output=True, text=True, check=True).stdout.split('\n')
    files = [n for n in names if n.endswith(('.cc', '.h', '.hpp', '.c')) and not n.startswith('tests/data/')]
    for what, chosen in (('sources', [f for f in files if not f.startswith('tests/')]),
                         ('tests', [f for f in files if f.startswith('tests/')])):
        lines, long, most = 0, [], (0, '')
        longest = (0, '')
        for name in chosen:
            with open(os.path.join(root, name), encoding='utf-8', errors='replace') as f:
                text = f.read()
            n = text.count('\n')
            lines += n
            longest = max(longest, (n, name))
            for line, length, count, _ in functions(text):
                if length > LONG:
                    long.append((length, f'{name}:{line}'))
                most = max(most, (count, f'{name}:{line}'))
        print(f'{what}: {len(chosen)} files, {lines} lines, longest file {longest[0]} ({longest[1]})')
        print(f'  functions over {LONG} lines: {len(long)}; most parameters: {most[0]} ({most[1]})')
        if '--list' in sys.argv:
            for length, where in sorted(long, reverse=True):
                print(f'    {length} {where}')


main()
