#!/usr/bin/env python3
"""Kedge beside another engine that has a llama-bench: the same file, alternating, medians and ratios.

  bench/peer/compare.py --peer PATH/TO/llama-bench [--kedge build/release/kedge] [options] FILE.gguf...

Each round runs the one, then the other, so that a machine that slows down slows both. A ratio above 1 means that
Kedge is faster. Both measure after a warm-up, with random tokens and a half-precision cache.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("compare.py: %s ended with %d:\n%s" % (" ".join(command), done.returncode, done.stderr.strip()[-2000:]))
    return done.stdout


def measure_kedge(args, model, repetitions):
    out = json.loads(run([args.kedge, "bench", "-m", model, "-p", str(args.prompt), "-n", str(args.gen), "-t",
                          str(args.threads), "-r", str(repetitions), "--depth", str(args.depth), "--kv-type",
                          args.kv_type, "--json"]))
    return out["pp_tps"], out["tg_tps"], out


def measure_peer(args, model, repetitions):
    tests = json.loads(run([args.peer, "-m", model, "-p", str(args.prompt), "-n", str(args.gen), "-t",
                            str(args.threads), "-r", str(repetitions), "-d", str(args.depth), "-ctk", args.kv_type,
                            "-ctv", args.kv_type, "-o", "json"] + args.peer_flag))
    pp, tg = [], []
    for test in tests:
        (pp if test["n_prompt"] > 0 and test["n_gen"] == 0 else tg).extend(test["samples_ts"])
    return pp, tg


def compare(args, model):
    kedge_pp, kedge_tg, peer_pp, peer_tg = [], [], [], []
    details = {}
    for round_number in range(args.rounds):
        print("%s: round %d of %d" % (os.path.basename(model), round_number + 1, args.rounds), file=sys.stderr)
        pp, tg, details = measure_kedge(args, model, args.repetitions)
        kedge_pp += pp
        kedge_tg += tg
        pp, tg = measure_peer(args, model, args.repetitions)
        peer_pp += pp
        peer_tg += tg
    row = {"model": model, "file_bytes": os.path.getsize(model), "isa": details.get("isa"),
           "bytes_per_token": details.get("bytes_per_token"), "n_threads": args.threads, "depth": args.depth,
           "kv_type": args.kv_type, "n_prompt": args.prompt, "n_gen": args.gen}
    for name, ours, theirs in (("pp", kedge_pp, peer_pp), ("tg", kedge_tg, peer_tg)):
        if not ours or not theirs:
            continue
        row[name] = {"kedge_tps": statistics.median(ours), "peer_tps": statistics.median(theirs),
                     "ratio": statistics.median(ours) / statistics.median(theirs), "kedge_samples": ours,
                     "peer_samples": theirs}
    return row


def table(rows):
    lines = ["%-36s %-8s %12s %12s %8s" % ("model", "test", "kedge t/s", "peer t/s", "ratio")]
    for row in rows:
        for name, size in (("pp", row["n_prompt"]), ("tg", row["n_gen"])):
            if name in row:
                r = row[name]
                lines.append("%-36s %-8s %12.2f %12.2f %8.3f" % (os.path.basename(row["model"])[-36:], "%s%d" % (name, size),
                                                                r["kedge_tps"], r["peer_tps"], r["ratio"]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("models", nargs="+", metavar="FILE.gguf")
    parser.add_argument("--peer", required=True, help="the peer's llama-bench")
    parser.add_argument("--kedge", default=os.path.join(root, "build", "release", "kedge"))
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--gen", type=int, default=128)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-d", "--depth", type=int, default=0)
    parser.add_argument("-r", "--repetitions", type=int, default=2, help="samples of each in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kv-type", default="f16", choices=["f32", "f16", "q8_0"])
    parser.add_argument("--peer-flag", action="append", default=[], help="handed to the peer as it is; repeatable")
    parser.add_argument("--json", metavar="OUT", help="write everything there as JSON ('-': standard output)")
    args = parser.parse_args()
    for program in (args.kedge, args.peer):
        if not os.access(program, os.X_OK):
            sys.exit("compare.py: %s: no such program" % program)
    rows = [compare(args, model) for model in args.models]
    if args.json == "-":
        print(json.dumps(rows, indent=2))
        return
    print(table(rows))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(rows, out, indent=2)


if __name__ == "__main__":
    main()
