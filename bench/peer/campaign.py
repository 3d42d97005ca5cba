#!/usr/bin/env python3
"""The comparisons that README.md and docs/performance.md show, in pieces of a minute, so that a machine can be had for each alone.

  bench/peer/campaign.py --name zen5 --models FOLDER --llama BUILD/bin --ik BUILD/bin [--avx2-llama BUILD/bin] [--avx2-ik BUILD/bin]
      [--kedge PATH] [--under COMMAND] [--rounds 2] [--only speed,depth,sequences,loads,avx2,cpu] [--results bench/results]

Each piece is one round of one file (compare.py), in front of it --under (a command that waits until nothing else runs; at a
depth it is in front of every program). Pieces go round by round, so that a machine that changes changes all files' rounds
alike. What is there already is added to.
"""
import argparse
import os
import shlex
import subprocess
import sys
import time

from compare import ROOT
from shapes import FILES

DENSE = ["qwen3-0.6b-%s.gguf" % kind for shape, kind in FILES if shape == "qwen3-0.6b"]
ALL = ["%s-%s.gguf" % file for file in FILES]
TWO = ["qwen3-0.6b-Q4_K_M.gguf", "qwen3-30b-a3b-slice-Q4_K_M.gguf"]
BATCHED = ["qwen3-0.6b-Q4_K_M.gguf", "qwen3-0.6b-Q8_0.gguf", "qwen3-30b-a3b-slice-Q4_K_M.gguf"]


def alone(llama, ik):
    """Both engines in every configuration that is the best of some test."""
    peers = ["llama=%s/llama-bench,-fa,0" % llama, "llama-fa=%s/llama-bench,-fa,1" % llama]
    if ik:
        peers += ["ik=%s/llama-bench,-fa,1" % ik, "ik-rtr=%s/llama-bench,-rtr,1,-fa,1" % ik]
    return peers


def deep(llama, ik):
    return ["llama-fa=%s/llama-bench,-fa,1" % llama] + (["ik-rtr=%s/llama-bench,-rtr,1,-fa,1" % ik] if ik else [])


def batched(llama, ik):
    return ["llama-fa=%s/llama-batched-bench,-fa,on" % llama] + (
        ["ik-rtr=%s/llama-batched-bench,-rtr,-fa,on" % ik] if ik and os.path.exists(ik + "/llama-batched-bench") else [])


def loading(llama, ik):
    return ["llama-fa=%s/llama-bench,-fa,1" % llama] + (["ik=%s/llama-bench,-fa,1" % ik] if ik else [])


def pieces(args):
    """(what, results' file, models, peers, options), one piece for every model and option list"""
    yield "speed", "speed", ALL, alone(args.llama, args.ik), [["--fast", "-p", "512", "-n", "48", "-r", "2", "--bandwidth"]]
    yield ("depth", "depth", TWO, deep(args.llama, args.ik),
           [["-p", "0", "-n", "16", "-r", "1", "-d", depth] for depth in ("0", "4096", "16384")])
    yield ("sequences", "sequences", BATCHED, batched(args.llama, args.ik),
           [["-p", "64", "-n", "24", "-r", "1", "--sequences", counts] for counts in ("1,2,4", "8,16", "32")])
    yield "loads", "loads", ["qwen3-0.6b-Q8_0.gguf"], loading(args.llama, args.ik), [["--load", "--rounds", "3"]]
    if args.avx2_llama:
        yield ("avx2", "avx2", DENSE, alone(args.avx2_llama, args.avx2_ik),
               [["--kedge-env", "KEDGE_ISA=avx2", "-p", "512", "-n", "48", "-r", "1"]])
    yield "cpu", "cpu-time", DENSE, deep(args.llama, args.ik), [["--cpu-time", "-t", "1", "-p", "256", "-n", "24", "-r", "1"]]


def command_of(args, file, model, peers, options):
    command = [sys.executable, os.path.join(ROOT, "bench", "peer", "compare.py"), "--kedge", args.kedge, "--json",
               os.path.join(args.results, "%s-%s.json" % (args.name, file))]
    if args.under and file == "depth":
        command += ["--launcher", args.under]  # reading that many tokens takes every program a minute
    elif args.under:
        command = shlex.split(args.under) + command
    for peer in peers:
        command += ["--peer", peer]
    rounds = [] if "--rounds" in options else ["--rounds", "1"]
    return command + rounds + options + [os.path.join(args.models, model)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--name", required=True, help="of the machine, in the results' names")
    add("--models", required=True)
    add("--llama", required=True)
    add("--ik", default="")
    add("--avx2-llama", default="")
    add("--avx2-ik", default="")
    add("--kedge", default=os.path.join(ROOT, "build", "release", "kedge"))
    add("--under", default="")
    add("--rounds", type=int, default=2)
    add("--only", default="speed,depth,sequences,loads,avx2,cpu")
    add("--results", default=os.path.join(ROOT, "bench", "results"))
    add("--dry-run", action="store_true", help="print the commands")
    args = parser.parse_args()
    wanted = args.only.split(",")
    failed = 0
    for what, file, models, peers, options in pieces(args):
        if what not in wanted:
            continue
        for number in range(args.rounds if what != "loads" else 1):
            for model in models:
                for words in options:
                    command = command_of(args, file, model, peers, words)
                    if args.dry_run:
                        print(shlex.join(command))
                        continue
                    begin = time.monotonic()
                    done = subprocess.run(command, stdin=subprocess.DEVNULL)
                    print("%s, round %d, %s %s: %s in %.0f s" % (what, number + 1, model, " ".join(words), "done" if done.returncode == 0
                                                                 else "FAILED", time.monotonic() - begin), flush=True)
                    failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
