#!/usr/bin/env python3
"""Fills the sections of README.md and docs/performance.md that are made from bench/results.

  bench/peer/readme.py           writes them anew
  bench/peer/readme.py --check   says which differ from what the results give, and ends with 1 if any does

A section stands between <!-- results: TABLE FILE --> and <!-- end of results -->. TABLE is one of tables.MARKDOWN, FILE is a
file in bench/results without its ending.
"""
import argparse
import os
import re
import sys

import results
import tables
from programs import fail

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ("README.md", "docs/performance.md")
SECTION = re.compile(r"(<!-- results: (\S+) (\S+) -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)


def fill(text, reports, page):
    def section(match):
        begin, table, name, _, end = match.groups()
        if table not in tables.MARKDOWN:
            fail("%s: no table '%s' (there are %s)" % (page, table, ", ".join(tables.MARKDOWN)))
        if name not in reports:
            fail("%s: no results '%s' (there are %s)" % (page, name, ", ".join(reports)))
        return begin + tables.MARKDOWN[table](reports[name]) + "\n" + end
    if text.count("<!-- results:") != len(SECTION.findall(text)):
        fail("%s: a section of results has no end, or its first line is not '<!-- results: TABLE FILE -->'" % page)
    return SECTION.sub(section, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--root", default=ROOT, help="of the work tree")
    args = parser.parse_args()
    reports = results.load_folder(os.path.join(args.root, "bench", "results"))
    stale = []
    for page in PAGES:
        path = os.path.join(args.root, page)
        with open(path, encoding="utf-8") as text:
            old = text.read()
        new = fill(old, reports, page)
        if new == old:
            continue
        stale.append(page)
        if not args.check:
            with open(path, "w", encoding="utf-8") as out:
                out.write(new)
    for page in stale:
        print("%s: %s" % (page, "differs from what bench/results gives: run bench/peer/readme.py" if args.check else "written anew"))
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
