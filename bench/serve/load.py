#!/usr/bin/env python3
"""`kedge serve` under load, beside other servers that speak OpenAI's API: the same file, the same clients, alternating.

  bench/serve/load.py --peer llama=PATH/TO/llama-server,-fa,auto [options] FILE.gguf

A peer is NAME=PATH[,argument...], as in bench/peer/compare.py. Measured are
  load      1, 4, 16, 64 clients, each of which asks, reads the stream to its end, and asks again; prompts of mixed lengths
  prefill   tokens that other streams receive while a prompt of 2,000 tokens is read: a count, which no noise moves
  overload  four times as many clients as there are places, against as many as run at once: what waiting does to those who
            are served, how soon the others are refused, and how soon /livez answers meanwhile
Every prompt is new, so no cache of prefixes helps. Temperature 0, a fixed number of tokens per answer, both servers with
room for the same number of sequences. Only the standard library is used.
"""
import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

def fail(message):
    sys.exit("load.py: " + message)


def percentile(values, share):
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(seconds):
    return None if seconds is None else round(1e3 * seconds, 2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Target:
    """A server: how it is started, and where it is."""

    def __init__(self, name, command, ready, env=None):
        self.name, self.command, self.ready, self.env = name, command, ready, env or {}

    async def __aenter__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="load-")
        command = [part.replace("{port}", str(self.port)).replace("{folder}", self.folder.name) for part in self.command]
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **self.env})
        for _ in range(1200):
            if self.process.poll() is not None:
                fail("%s ended with %d:\n%s" % (" ".join(command), self.process.returncode, self.said()))
            try:
                if (await get(self.port, self.ready))[0] == 200:
                    return self
            except OSError:
                pass
            await asyncio.sleep(0.1)
        fail("%s does not become ready:\n%s" % (self.name, self.said()))

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    async def __aexit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


async def get(port, path):
    """Status and seconds."""
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path.encode())
    head = await reader.read(4096)
    writer.close()
    return (int(head.split(b" ")[1]) if head else 0), time.perf_counter() - begin


class Request:
    """One completion, streamed (a file for measuring may have no chat template). `gaps`: seconds between pieces of text; `ttft`: to the first; `status`: 0 when cut off."""

    def __init__(self, port, content, max_tokens, on_token=None):
        self.port, self.on_token = port, on_token
        self.body = json.dumps({
            "prompt": content, "max_tokens": max_tokens,
            "temperature": 0, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True},
            "cache_prompt": False}).encode()
        self.status, self.ttft, self.seconds, self.gaps, self.tokens, self.prompt_tokens = 0, None, None, [], 0, 0
        self.answer, self.retry_after = "", 1.0  # of an error; seconds

    async def run(self):
        begin = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        try:
            writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                         b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(self.body) + self.body)
            head = await reader.readuntil(b"\r\n\r\n")
            self.status = int(head.split(b" ")[1])
            if self.status != 200:
                for line in head.decode(errors="replace").lower().split("\r\n"):
                    if line.startswith("retry-after-ms:"):
                        self.retry_after = float(line.split(":")[1]) / 1e3
                self.answer = (await reader.read(4000)).decode(errors="replace")
                self.seconds = time.perf_counter() - begin
                return self
            last = None
            async for line in reader:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                if chunk.get("usage"):
                    self.prompt_tokens = chunk["usage"]["prompt_tokens"]
                    self.tokens = chunk["usage"]["completion_tokens"]
                if not chunk.get("choices") or chunk["choices"][0].get("finish_reason"):
                    continue  # one chunk a token, also where a token has no text of its own
                now = time.perf_counter()
                if last is None:
                    self.ttft = now - begin
                else:
                    self.gaps.append(now - last)
                last = now
                if self.on_token:
                    self.on_token()
        finally:
            writer.close()
        self.seconds = time.perf_counter() - begin
        return self


class Prompts:
    """The same for every server: drawn anew from the same seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def tokens(self, n):
        """As ids, so that the length is what it says whatever the vocabulary."""
        return [self.rng.randrange(1000, 9000) for _ in range(n)]

    def mixed(self):
        """A prompt and the length of its answer: most are short, some long."""
        n = self.rng.choice([16, 16, 32, 64, 64, 128, 256, 512])
        return self.tokens(n), self.rng.choice([32, 48, 64, 96])


def summary(done, seconds):
    gaps = [gap for r in done for gap in r.gaps]
    ttft = [r.ttft for r in done if r.ttft is not None]
    return {
        "requests": len(done), "seconds": round(seconds, 2),
        "tokens_per_second": round(sum(r.tokens for r in done) / seconds, 2),
        "prompt_tokens_per_second": round(sum(r.prompt_tokens for r in done) / seconds, 2),
        "ttft_ms": {"p50": ms(percentile(ttft, 0.5)), "p99": ms(percentile(ttft, 0.99))},
        "inter_token_ms": {"p50": ms(percentile(gaps, 0.5)), "p99": ms(percentile(gaps, 0.99)), "max": ms(max(gaps, default=None))},
    }


async def load(target, args, clients, seed):
    prompts = Prompts(seed)
    todo = [prompts.mixed() for _ in range(max(clients, args.requests))]
    done = []

    async def client():
        while todo:
            content, n = todo.pop()
            request = await Request(target.port, content, n).run()
            if request.status != 200:
                fail("%s answered %d with %d clients: %s" % (target.name, request.status, clients, request.answer))
            done.append(request)

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return summary(done, time.perf_counter() - begin)


async def prefill(target, args, seed):
    """Three streams, then a long prompt: what they receive until its first token."""
    prompts = Prompts(seed)
    received = [0] * 3

    def counter(i):
        def count():
            received[i] += 1
        return count

    tasks = [asyncio.create_task(Request(target.port, prompts.tokens(16), args.prefill_stream_tokens, counter(i)).run())
             for i in range(3)]
    while min(received) < 8:
        await asyncio.sleep(0.005)
    at_begin = sum(received)
    at_end = []
    long = await Request(target.port, prompts.tokens(2000), 2, lambda: at_end.append(sum(received))).run()
    still = sum(not task.done() for task in tasks)
    streams = await asyncio.gather(*tasks)
    return {"prompt_tokens": long.prompt_tokens, "ttft_ms": ms(long.ttft), "streams": 3, "streams_at_the_end": still,
            "tokens_meanwhile": at_end[0] - at_begin, "longest_gap_ms": ms(max(gap for s in streams for gap in s.gaps))}


async def overload(target, args, seed):
    """As many streams as run at once, then four times as many clients: those beyond are refused, and come again when they
    were told to."""
    prompts = Prompts(seed)

    async def streams(n, total, refused):
        todo = [(prompts.tokens(32), 48) for _ in range(total)]
        done = []

        async def client():
            while todo:
                item = todo.pop()
                while True:
                    request = await Request(target.port, *item).run()
                    if request.status != 429:
                        break
                    refused.append(request.seconds)
                    await asyncio.sleep(request.retry_after)  # as people's clients do
                if request.status != 200:
                    fail("%s answered %d under overload: %s" % (target.name, request.status, request.answer))
                done.append(request)

        begin = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(n)))
        return summary(done, time.perf_counter() - begin)

    alive, refused = [], []

    async def watch():
        while True:
            alive.append((await get(target.port, "/livez" if target.name == "kedge" else "/health"))[1])
            await asyncio.sleep(0.05)

    watcher = asyncio.create_task(watch())  # in both, or it would be part of the difference
    # All that are let in take turns in the engine's steps, so as many run without overload too.
    at_once = args.places + args.waiting
    calm = await streams(at_once, 8 * at_once, [])
    alive.clear()
    clients = 4 * at_once
    crowd = await streams(clients, 2 * clients, refused)
    watcher.cancel()
    ratio = None if not calm["inter_token_ms"]["p99"] else round(crowd["inter_token_ms"]["p99"] / calm["inter_token_ms"]["p99"], 3)
    return {"places": args.places, "waiting": args.waiting, "clients": clients, "calm": calm, "overload": crowd,
            "p99_ratio": ratio, "refusals": len(refused),
            "refusal_ms": {"p50": ms(percentile(refused, 0.5)), "p99": ms(percentile(refused, 0.99)), "max": ms(max(refused, default=None))},
            "livez_ms": {"p50": ms(percentile(alive, 0.5)), "p99": ms(percentile(alive, 0.99)), "max": ms(max(alive, default=None))}}


def kedge_target(args, sequences, waiting):
    command = [args.kedge, "serve", "-m", args.model, "--port", "{port}", "--state", "{folder}/state", "--no-audit",
               "--engine-sequences", str(sequences), "--engine-waiting", str(waiting), "--context", str(args.context),
               *args.kedge_arg]
    return Target("kedge", command, "/readyz")


def peer_target(args, peer, sequences):
    name, _, rest = peer.partition("=")
    path, *more = rest.split(",")
    command = [path, "-m", args.model, "--host", "127.0.0.1", "--port", "{port}", "-np", str(sequences), "-c",
               str(sequences * args.context), "-t", str(os.cpu_count()), *more]
    return Target(name, command, "/health")


async def measure(args):
    results = []
    for turn in range(args.rounds):
        for which in ["kedge", *args.peer]:
            def target(sequences, waiting):
                return kedge_target(args, sequences, waiting) if which == "kedge" else peer_target(args, which, sequences)

            name = which.partition("=")[0]

            def note(kind, clients, values):
                results.append({"round": turn, "server": name, "kind": kind, "clients": clients, **values})
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)

            if "load" in args.what or "prefill" in args.what:
                async with target(args.sequences, 256) as server:
                    await load(server, argparse.Namespace(requests=2), 1, 99)  # a warm-up
                    if "load" in args.what:
                        for clients in args.clients:
                            note("load", clients, await load(server, args, clients, turn * 1000 + clients))
                    if "prefill" in args.what:
                        note("prefill", 3, await prefill(server, args, turn))
            if "overload" in args.what:
                async with target(args.places, args.waiting) as server:
                    await load(server, argparse.Namespace(requests=2), 1, 99)
                    note("overload", 4 * (args.places + args.waiting), await overload(server, args, turn))
    return results


def table(results):
    out = ["| server | clients | tokens/s | prompt tokens/s | first token p50 / p99 ms | between tokens p50 / p99 ms |", "|---|---|---|---|---|---|"]
    for r in sorted((r for r in results if r["kind"] == "load"), key=lambda r: (r["clients"], r["round"])):
        out.append("| %s | %d | %.1f | %.0f | %s / %s | %s / %s |" % (
            r["server"], r["clients"], r["tokens_per_second"], r["prompt_tokens_per_second"], r["ttft_ms"]["p50"],
            r["ttft_ms"]["p99"], r["inter_token_ms"]["p50"], r["inter_token_ms"]["p99"]))
    for r in results:
        if r["kind"] == "prefill":
            out.append("%s: %d tokens to %d streams while a prompt of %d tokens was read (%s ms to its first); longest gap %s ms" % (
                r["server"], r["tokens_meanwhile"], r["streams"], r["prompt_tokens"], r["ttft_ms"], r["longest_gap_ms"]))
        if r["kind"] == "overload":
            out.append("%s: %d clients for %d + %d places: p99 between tokens %s ms, without others %s ms: x %s; %d refusals, "
                       "p99 %s ms, longest %s ms; livez p99 %s ms, longest %s ms" % (
                           r["server"], r["clients"], r["places"], r["waiting"], r["overload"]["inter_token_ms"]["p99"],
                           r["calm"]["inter_token_ms"]["p99"], r["p99_ratio"], r["refusals"], r["refusal_ms"]["p99"],
                           r["refusal_ms"]["max"], r["livez_ms"]["p99"], r["livez_ms"]["max"]))
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="FILE.gguf")
    parser.add_argument("--kedge", default="build/release/kedge")
    parser.add_argument("--kedge-arg", action="append", default=[], help="one more argument of kedge serve")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--what", default="load,prefill,overload", type=lambda text: text.split(","))
    parser.add_argument("--clients", default="1,4,16,64", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--requests", default=24, type=int, help="of a level, at least one for each client")
    parser.add_argument("--sequences", default=16, type=int, help="at once, in both servers")
    parser.add_argument("--context", default=2560, type=int, help="tokens of a sequence")
    parser.add_argument("--places", default=4, type=int, help="sequences at once under overload")
    parser.add_argument("--waiting", default=4, type=int, help="requests that kedge lets wait under overload")
    parser.add_argument("--prefill-stream-tokens", default=600, type=int)
    parser.add_argument("--rounds", default=2, type=int)
    parser.add_argument("--smoke", action="store_true", help="few requests: whether it works, not how fast")
    parser.add_argument("--json", metavar="FILE", help="all figures")
    args = parser.parse_args()
    args.model = os.path.abspath(args.model)
    if args.smoke:
        args.rounds, args.requests, args.clients, args.prefill_stream_tokens = 1, 4, [1, 4], 300
    results = asyncio.run(measure(args))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"arguments": vars(args), "results": results}, f, indent=1)
    print(table(results))


main()
