#!/usr/bin/env python3
"""Kedge beside other engines that have a llama-bench: the same file, alternating, medians and ratios.

  bench/peer/compare.py --peer llama=PATH/TO/llama-bench,-fa,0 --peer llama-fa=PATH/TO/llama-bench,-fa,1 \\
      --peer ik=PATH/TO/ik/llama-bench,-fa,1 --peer ik-rtr=PATH/TO/ik/llama-bench,-rtr,1,-fa,1 [options] FILE.gguf...
  bench/peer/compare.py --sequences 1,2,4,8,16 --peer llama-fa=PATH/TO/llama-batched-bench,-fa,on -p 64 -n 24 FILE.gguf...

A peer is NAME=PATH[,argument...]: one program in one configuration, repeatable. Each round runs Kedge, then every peer,
so that a machine that slows down slows all. A ratio compares with the best peer of that test; above 1 means that Kedge
is better. All measure after a warm-up, with random tokens.
  --fast        Kedge with --numerics fast too (reading a prompt, which it is for)
  --bandwidth   how fast this machine reads memory, and the part of it that Kedge's weights and cache use in decode
  --sequences   several sequences at once, counted are the tokens of all. llama-batched-bench feeds random tokens, Kedge
                chooses the likeliest, which is part of its time
  --load        whole processes, from start to one generated token: seconds, processor seconds, peak memory. Kedge's is
                `kedge run`, a peer's is llama-bench without a warm-up. The first of each is not counted, as the file may
                not be in memory and Kedge's packed copy not made
  --cpu-time    tokens per second of processor time, for a machine that others use too; with -t 1
With --json OUT every sample is kept, added to what OUT has if it is of the same machine and versions (results.py).
"""
import argparse
import json
import os
import platform
import re
import sys

import measure
import results
import tables
from programs import Peer, commit_of, fail, need_program, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def variable(text):
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError("'%s' is not NAME=VALUE" % text)
    return name, value


def numbers(text):
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError("'%s' is not a list of numbers" % text)


class Table:
    """Rows as they fill."""

    def __init__(self, model, settings):
        self.model = model
        self.settings = settings
        self.rows = {}

    def row(self, test, n, depth, sequences):
        key = (test, n, depth, sequences)
        if key not in self.rows:
            self.rows[key] = {"model": os.path.basename(self.model), "test": test, "n": n, "depth": depth,
                              "sequences": sequences, "file_bytes": os.path.getsize(self.model),
                              "loads": [round(os.getloadavg()[0], 2)], "kedge": {}, "peers": {}}
        return self.rows[key]

    def add(self, side, name, samples, size, depth=0, sequences=1):
        for test, values in samples.items():
            if values:
                row = self.row(test, size.get(test, 1), depth, sequences)
                row[side].setdefault(name, {"samples": []})["samples"] += values


def round_of_speed(args, table, depth):
    size = {"pp": args.prompt, "tg": args.gen}
    # Reading a prompt at a depth is measured when nothing else is asked for: the first depth is the one to compare.
    prompt = args.prompt if depth == args.depth[0] else 0
    for name, kedge in args.configurations:
        gen = args.gen if name == "exact" else 0
        if prompt == 0 and gen == 0:
            continue
        samples, details = measure.kedge_speed(kedge, args.settings, table.model, prompt, gen, depth,
                                               args.bandwidth and gen > 0)
        table.add("kedge", name, samples, size, depth)
        if gen and samples["tg"]:
            row = table.row("tg", args.gen, depth, 1)
            row["bytes_per_token"] = details.get("bytes_per_token", 0) + details.get("kv_bytes_per_token", 0) * depth
            if details.get("read_percent"):
                row.setdefault("read_percent", []).append(details["read_percent"])
    for peer in args.peer:
        table.add("peers", peer.name, measure.peer_speed(peer, args.settings, table.model, prompt, args.gen, depth), size, depth)


def round_of_sequences(args, table, n):
    size = {"batch": args.gen, "batch_pp": args.prompt}
    for name, kedge in args.configurations:
        samples, _ = measure.kedge_sequences(kedge, args.settings, table.model, args.prompt, args.gen, n)
        table.add("kedge", name, samples, size, args.prompt, n)
    for peer in args.peer:
        table.add("peers", peer.name, measure.peer_sequences(peer, args.settings, table.model, args.prompt, args.gen, n), size,
                  args.prompt, n)


def round_of_loads(args, table, count):
    for name, kedge in args.configurations:
        samples = measure.kedge_load(kedge, args.settings, table.model)
        table.add("kedge", name, samples if count else {}, {})
    for peer in args.peer:
        samples = measure.peer_load(peer, args.settings, table.model)
        table.add("peers", peer.name, samples if count else {}, {})


def compare(args, model):
    table = Table(model, args.settings)
    if args.load:
        for number in range(args.rounds + 1):
            round_of_loads(args, table, number > 0)
        return list(table.rows.values())
    for number in range(args.rounds):
        for point in args.sequences or args.depth:
            what = "%d sequences" % point if args.sequences else "depth %d" % point
            print("%s: round %d of %d, %s" % (os.path.basename(model), number + 1, args.rounds, what), file=sys.stderr)
            (round_of_sequences if args.sequences else round_of_speed)(args, table, point)
    return list(table.rows.values())


def report_of(args, rows):
    doctor = json.loads(run([args.kedge, "doctor", "--quick", "--json"], dict(args.kedge_env)).output)
    machine = {"cpu": doctor["cpu"]["model"], "cores": os.cpu_count(), "system": "%s %s" % (platform.system(), platform.machine()),
               "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30, 1)}
    version = run([args.kedge, "--version"]).output
    built = re.search(r"^commit +(\S+)", version, re.MULTILINE)
    kedge = {"version": version.splitlines()[0], "isa": doctor["isa"]["active"],
             "commit": built.group(1) if built else commit_of(os.path.dirname(os.path.abspath(args.kedge))),
             "env": dict(args.kedge_env), "flags": {name: k.flags for name, k in args.configurations}}
    return {"format": 1, "name": "", "date": results.now(), "machine": machine, "kedge": kedge,
            "peers": [peer.describe() for peer in args.peer], "settings": args.settings.describe(), "rows": rows}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("models", nargs="+", metavar="FILE.gguf")
    add("--peer", action="append", required=True, type=Peer, metavar="NAME=PATH[,ARG...]")
    add("--kedge", default=os.path.join(ROOT, "build", "release", "kedge"))
    add("--kedge-flag", action="append", default=[], metavar="ARGS",
        help="handed to kedge, split at spaces; repeatable")
    add("--kedge-env", action="append", default=[], type=variable, metavar="NAME=VALUE",
        help="for Kedge only: --kedge-env KEDGE_ISA=avx2; repeatable")
    add("--fast", action="store_true")
    add("-p", "--prompt", type=int, default=512)
    add("-n", "--gen", type=int, default=128)
    add("-t", "--threads", type=int, default=2)
    add("-d", "--depth", type=numbers, default=[0], metavar="N,...", help="a prompt is read at the first of them")
    add("-r", "--repetitions", type=int, default=2, help="samples of each in a round")
    add("--rounds", type=int, default=3)
    add("--kv-type", default="f16", choices=["f32", "f16", "q8_0"])
    add("--bandwidth", action="store_true")
    add("--sequences", type=numbers, metavar="N,...")
    add("--load", action="store_true")
    add("--cpu-time", action="store_true")
    add("--launcher", default="", metavar="ARGS", help="in front of every measured command, split at spaces")
    add("--json", metavar="OUT", help="keep every sample there ('-': standard output)")
    args = parser.parse_args()
    if len(set(peer.name for peer in args.peer)) != len(args.peer):
        fail("two peers have the same name")
    if args.cpu_time and (args.sequences or args.load or args.depth != [0]):
        fail("--cpu-time measures reading a prompt and generating, from an empty context")
    if args.load and (args.sequences or args.launcher):
        fail("--load has neither --sequences nor --launcher: what a launcher waits for would be counted")
    for program in [args.kedge] + [peer.path for peer in args.peer]:
        need_program(program)
    flags = [word for words in args.kedge_flag for word in words.split()]
    args.configurations = [("exact", measure.Kedge(args.kedge, flags, args.kedge_env))]
    if args.fast:
        args.configurations.append(("fast", measure.Kedge(args.kedge, flags + ["--numerics", "fast"], args.kedge_env)))
    args.settings = measure.Settings(args.threads, args.repetitions, args.kv_type, args.cpu_time, args.launcher.split())
    return args


def main():
    args = parse()
    report = report_of(args, [row for model in args.models for row in compare(args, model)])
    if args.json == "-":
        print(results.dumps(report), end="")
        return
    print(tables.heading(report))
    print(tables.plain(report))
    if args.json:
        report["name"] = os.path.splitext(os.path.basename(args.json))[0]
        if os.path.exists(args.json):
            report = results.merge(results.load(args.json), report)
        results.save(args.json, report)


if __name__ == "__main__":
    main()
