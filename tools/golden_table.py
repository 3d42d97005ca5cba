#!/usr/bin/env python3
"""The golden models as a table: the largest difference of a logit to the independent implementation's, how often the best
token is the same, and whether every instruction set of this machine gives the same bits.

  tools/golden_table.py [build/ci] [--markdown]
"""
import os
import re
import subprocess
import sys

LINE = re.compile(r"^golden (\S+) (\S+) (\S+) difference (\S+) best (\d+) of (\d+) bits (\w+)$")
ISAS = ("reference", "avx2", "avx512vnni", "avx512bf16", "amx", "neon", "neondot", "neoni8mm")


def run(program: str, isa: str) -> dict:
    """What one instruction set gives; empty where this machine lacks it."""
    done = subprocess.run([program, "--gtest_filter=*GoldenLogits.WithinTolerance*"], capture_output=True, text=True,
                          env={**os.environ, "KEDGE_ISA": isa}, check=False)
    rows = {}
    for line in done.stdout.splitlines():
        if match := LINE.match(line):
            rows[match.group(1, 2, 3)] = match.group(4, 5, 6, 7)
    return rows


def main() -> int:
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    program = os.path.join(names[0] if names else "build/ci", "tests", "kedge_tests_engine")
    by_isa = {isa: rows for isa in ISAS if (rows := run(program, isa))}
    if not by_isa:
        print(f"golden_table.py: {program} gives no golden logits: build the tests first", file=sys.stderr)
        return 1
    print(f"instruction sets: {', '.join(by_isa)}")
    print("| model | prompt | cache | largest difference | best token | same bits on all |")
    print("|---|---|---|---|---|---|")
    first = next(iter(by_isa.values()))
    wrong = 0
    for key, (difference, same, n, bits) in first.items():
        equal = all(rows.get(key, (0, 0, 0, ""))[3] == bits for rows in by_isa.values())
        wrong += not equal
        print(f"| {' | '.join(key)} | {difference} | {same} of {n} | {'yes' if equal else 'NO'} |")
    return 1 if wrong else 0


sys.exit(main())
