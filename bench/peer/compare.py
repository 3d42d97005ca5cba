#!/usr/bin/env python3
"""Kedge beside other engines that have a llama-bench: the same file, alternating, medians and ratios.

  bench/peer/compare.py --peer llama=PATH/TO/llama-bench,-fa,0 --peer llama-fa=PATH/TO/llama-bench,-fa,1 \\
      --peer ik=PATH/TO/ik/llama-bench --peer ik-rtr=PATH/TO/ik/llama-bench,-rtr,1 [options] FILE.gguf...

A peer is NAME=PATH[,argument...]: one program in one configuration, repeatable. Each round runs Kedge, then every peer,
so that a machine that slows down slows all. A ratio compares with the fastest peer of that test; above 1 means that Kedge
is faster. All measure after a warm-up, with random tokens. With --bandwidth Kedge measures how fast this machine reads
memory, and decode gets a column: the part of it that Kedge's weights and cache use.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def fail(message):
    sys.exit("compare.py: " + message)


def run(command, env=None):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        fail("%s ended with %d:\n%s" % (" ".join(command), done.returncode, done.stderr.strip()[-2000:]))
    return done.stdout


def read_json(text, command):
    # Some programs print a line of their own around the array.
    begin, end = text.find("["), text.rfind("]")
    try:
        return json.loads(text[begin:end + 1])
    except ValueError:
        fail("%s printed no JSON:\n%s" % (" ".join(command), text[-2000:]))


class Peer:
    def __init__(self, text):
        name, separator, rest = text.partition("=")
        if not separator or not name or not rest:
            raise argparse.ArgumentTypeError("'%s' is not NAME=PATH[,argument...]" % text)
        self.name = name
        self.path, *self.flags = rest.split(",")

    def describe(self):
        return {"name": self.name, "path": self.path, "flags": self.flags}


def measure_kedge(args, model):
    command = [args.kedge, "bench", "-m", model, "-p", str(args.prompt), "-n", str(args.gen), "-t", str(args.threads), "-r",
               str(args.repetitions), "--depth", str(args.depth), "--kv-type", args.kv_type, "--json"]
    if args.bandwidth:
        command.append("--bandwidth")
    for flag in args.kedge_flag:
        command += flag.split()
    return json.loads(run(command, dict(args.kedge_env)))


def help_of(program):
    done = subprocess.run([program, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    return done.stdout


def measure_peer(args, peer, model):
    """Samples by test. ik_llama.cpp's llama-bench has no -d; its -gp generates after a prompt, which is as good for decode,
    but a prompt at a depth it cannot measure."""
    command = [peer.path, "-m", model, "-t", str(args.threads), "-r", str(args.repetitions), "-ctk", args.kv_type, "-ctv",
               args.kv_type, "-o", "json"] + peer.flags
    by_prompt = args.depth > 0 and not peer.has_depth
    if by_prompt:
        if not peer.has_gp:
            fail("%s: this llama-bench has neither -d nor -gp, it cannot measure at a depth" % peer.name)
        if args.gen == 0:
            return {"pp": [], "tg": []}
        command += ["-p", "0", "-n", "0", "-gp", "%d,%d" % (args.depth, args.gen)]
    else:
        command += ["-p", str(args.prompt), "-n", str(args.gen)] + (["-d", str(args.depth)] if args.depth > 0 else [])
    samples = {"pp": [], "tg": []}
    for test in read_json(run(command), command):
        shape = (test["n_prompt"], test["n_gen"], test.get("n_depth", 0))
        if shape == ((args.depth, args.gen, 0) if by_prompt else (0, args.gen, args.depth)):
            samples["tg"] += test["samples_ts"]
        elif shape == (args.prompt, 0, args.depth):
            samples["pp"] += test["samples_ts"]
        else:
            fail("%s measured prompt, generation, depth %s, which nobody asked for" % (peer.name, shape))
    return samples


def compare(args, model):
    kedge = {"pp": [], "tg": []}
    peers = {peer.name: {"pp": [], "tg": []} for peer in args.peer}
    details, percents = {}, []
    for number in range(args.rounds):
        print("%s: round %d of %d" % (os.path.basename(model), number + 1, args.rounds), file=sys.stderr)
        details = measure_kedge(args, model)
        kedge["pp"] += details["pp_tps"]
        kedge["tg"] += details["tg_tps"]
        if details.get("read_percent"):
            percents.append(details["read_percent"])
        for peer in args.peer:
            for test, samples in measure_peer(args, peer, model).items():
                peers[peer.name][test] += samples
    row = {"model": model, "file_bytes": os.path.getsize(model), "isa": details.get("isa"),
           "bytes_per_token": details.get("bytes_per_token"), "n_threads": details.get("n_threads"), "depth": args.depth,
           "kv_type": args.kv_type, "n_prompt": args.prompt, "n_gen": args.gen,
           "read_bandwidth": details.get("read_bandwidth"),
           "read_percent": statistics.median(percents) if percents else None}
    for test in ("pp", "tg"):
        medians = {name: statistics.median(samples[test]) for name, samples in peers.items() if samples[test]}
        if not kedge[test] or not medians:
            continue
        fastest = max(medians, key=medians.get)
        ours = statistics.median(kedge[test])
        row[test] = {"kedge_tps": ours, "peer_tps": medians[fastest], "peer": fastest, "ratio": ours / medians[fastest],
                     "kedge_samples": kedge[test],
                     "peers": {name: {"tps": medians[name], "samples": peers[name][test]} for name in medians}}
    return row


def table(args, rows):
    names = [peer.name for peer in args.peer]
    widths = [max(10, len(name)) for name in names]
    line = "%-30s %-7s %10s" % ("model", "test", "kedge t/s")
    line += "".join("  %*s" % (width, name) for width, name in zip(widths, names)) + "   ratio  fastest peer"
    lines = [line + ("      % of bandwidth" if args.bandwidth else "")]
    for row in rows:
        for test, size in (("pp", row["n_prompt"]), ("tg", row["n_gen"])):
            if test not in row:
                continue
            r = row[test]
            line = "%-30s %-7s %10.2f" % (os.path.basename(row["model"])[-30:], "%s%d" % (test, size), r["kedge_tps"])
            for width, name in zip(widths, names):
                line += "  %*s" % (width, "%.2f" % r["peers"][name]["tps"] if name in r["peers"] else "-")
            line += " %7.3f  %-12s" % (r["ratio"], r["peer"])
            if args.bandwidth and test == "tg" and row["read_percent"]:
                line += " %19.1f" % row["read_percent"]
            lines.append(line.rstrip())
    return "\n".join(lines)


def variable(text):
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError("'%s' is not NAME=VALUE" % text)
    return name, value


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("models", nargs="+", metavar="FILE.gguf")
    parser.add_argument("--peer", action="append", required=True, type=Peer, metavar="NAME=PATH[,ARG...]")
    parser.add_argument("--kedge", default=os.path.join(root, "build", "release", "kedge"))
    parser.add_argument("--kedge-flag", action="append", default=[], metavar="ARGS",
                        help="handed to kedge bench, split at spaces: --kedge-flag='--numerics fast'; repeatable")
    parser.add_argument("--kedge-env", action="append", default=[], type=variable, metavar="NAME=VALUE",
                        help="for Kedge only: --kedge-env KEDGE_ISA=avx2; repeatable")
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--gen", type=int, default=128)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-d", "--depth", type=int, default=0)
    parser.add_argument("-r", "--repetitions", type=int, default=2, help="samples of each in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kv-type", default="f16", choices=["f32", "f16", "q8_0"])
    parser.add_argument("--bandwidth", action="store_true", help="measure it, and what part of it decode uses")
    parser.add_argument("--json", metavar="OUT", help="write every sample there as JSON ('-': standard output)")
    args = parser.parse_args()
    names = [peer.name for peer in args.peer]
    if len(set(names)) != len(names):
        fail("two peers have the same name")
    for program in [args.kedge] + [peer.path for peer in args.peer]:
        if not os.access(program, os.X_OK) or os.path.isdir(program):
            fail("%s: no such program" % program)
    for peer in args.peer:
        usage = help_of(peer.path)
        peer.has_depth = "--n-depth" in usage
        peer.has_gp = " -gp " in usage
        if args.depth > 0 and args.prompt > 0 and peer.has_gp and not peer.has_depth:
            print("compare.py: %s has no -d: no prompt at a depth, generation by -gp" % peer.name, file=sys.stderr)
    return args


def main():
    args = parse()
    rows = [compare(args, model) for model in args.models]
    doctor = json.loads(run([args.kedge, "doctor", "--quick", "--json"], dict(args.kedge_env)))
    machine = {"cpu": doctor["cpu"]["model"], "isa": doctor["isa"]["active"], "n_threads": args.threads}
    if args.json == "-":
        print(json.dumps({"machine": machine, "peers": [p.describe() for p in args.peer], "rows": rows}, indent=2))
        return
    print("%s; Kedge on %s, %d threads, cache %s, depth %d" %
          (machine["cpu"], machine["isa"], args.threads, args.kv_type, args.depth))
    print(table(args, rows))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"machine": machine, "peers": [p.describe() for p in args.peer], "rows": rows}, out, indent=2)


if __name__ == "__main__":
    main()
