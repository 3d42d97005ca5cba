#!/usr/bin/env python3
"""Clients that come, ask and leave at random: soak.py KEDGE [--seconds N] [--clients N] [--seed N]. At the end nothing
runs, no KV page is lost, and memory is what it was; the slope is printed (two hours by hand: under 1 MiB an hour). The last
line is "N passed, N failed"."""
import argparse
import collections
import http.client
import json
import os
import random
import sys
import threading
import time

from served import Server, post, reset

MIB = 1 << 20
parser = argparse.ArgumentParser()
parser.add_argument("kedge")
parser.add_argument("--seconds", type=float, default=20)
parser.add_argument("--clients", type=int, default=12)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--pause", type=float, default=0, help="seconds, on average, between what a client does")
parser.add_argument("--patience", type=float, default=120, help="seconds to wait for an answer: more on a busy machine")
parser.add_argument("--kinds", default="0,1,2,3,4,5,6,7,8,9", help="of what clients do: one() numbers them")
options = parser.parse_args()

WORDS = "sea town harbour north stone river bridge winter market bread light road".split()
counts = collections.Counter()
problems = []
stop = threading.Event()


def words(rng, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def chat_body(rng, **more):
    return {"model": rng.choice(["fast", "fast", "fast", "deep"]), "messages": [{"role": "user", "content": words(rng, 80)}],
            "max_tokens": rng.randint(1, 120), "temperature": 1, "cache_salt": rng.choice("ab"), **more}


def cancelled(server, rng):
    """Goes after a random number of bytes, or at once."""
    s = server.connect()
    body = chat_body(rng, stream=rng.random() < 0.8, max_tokens=2000, ignore_eos=True, n=rng.choice([1, 1, 1, 3]))
    s.sendall(post("/v1/chat/completions", json.dumps(body).encode()))
    left = rng.choice([0, 0, 200, 2000, 20_000])
    s.settimeout(rng.uniform(0.01, 3))
    try:
        while left > 0 and (piece := s.recv(min(left, 4096))):
            left -= len(piece)
    except TimeoutError:
        pass
    reset(s) if rng.random() < 0.5 else s.close()
    return "cancelled", True


def asked(server, rng, path, body, right=(200,)):
    status, _, answer = server.request("POST", path, body, timeout=options.patience)
    return f"{path} {status}", status in right or (status == 429 and json.loads(answer)["error"])


def one(server, rng):
    kind = int(rng.choice(options.kinds.split(",")))
    if kind < 4:
        return cancelled(server, rng)
    if kind < 6:
        return asked(server, rng, "/v1/chat/completions", chat_body(rng, stream=rng.random() < 0.5))
    if kind == 6:
        question = rng.choice(["Which product is Birkenchester famous for?", "What is 3 + 4?", words(rng, 10)])
        return asked(server, rng, "/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": question}]})
    if kind == 7:
        broken = json.dumps(chat_body(rng))[:rng.randint(1, 60)]
        return asked(server, rng, "/v1/chat/completions", broken, (400,))
    if kind == 8:
        return asked(server, rng, "/v1/chat/completions", chat_body(rng, kedge={"kv": {"policy": "sinks", "budget": 128}}))
    return asked(server, rng, "/v1/embeddings", {"model": "fast", "input": [words(rng, 50)]})


def client(server, seed):
    rng = random.Random(seed)
    while not stop.is_set():
        try:
            what, good = one(server, rng)
            counts[what] += 1
            if not good:
                problems.append(what)
            stop.wait(rng.expovariate(1 / options.pause) if options.pause else 0)
        except (OSError, http.client.HTTPException) as error:
            problems.append(repr(error))


def fill(server):
    """A prompt as long as anything that comes, for the buffers of a step; then prompts, each kept for itself, until the
    pages of every engine have all been in use: from then on the caches of prefixes give back what others need."""
    rng = random.Random(options.seed)
    for model in ("fast", "deep"):
        for i in range(400):
            content = " ".join(rng.choice(WORDS) for _ in range(600 if i else 1800))
            status, _, answer = server.chat(content, model=model, max_tokens=1, cache_salt=f"fill {i}")
            assert status == 200, answer
            engine = json.loads(server.request("GET", "/v1/kedge/arena")[2])["engines"]
            pages = next(e["stats"]["pages"] for e in engine if e["model"] == json.loads(answer)["model"])
            if pages["in_use"] > 0.97 * pages["total"]:
                break
        else:
            raise AssertionError(f"400 prompts did not fill the pages of {model}: {pages}")


def slope(samples):
    """MiB an hour, by least squares."""
    n = len(samples)
    mean_t, mean_y = sum(t for t, _ in samples) / n, sum(y for _, y in samples) / n
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return 3600 / MIB * sum((t - mean_t) * (y - mean_y) for t, y in samples) / spread


def pass_of(server, seconds, seed):
    """Anonymous memory, each second, while clients are at work."""
    stop.clear()
    threads = [threading.Thread(target=client, args=(server, seed * 1000 + i)) for i in range(options.clients)]
    for t in threads:
        t.start()
    begin, samples = time.monotonic(), []
    while time.monotonic() - begin < seconds and server.process.poll() is None:
        time.sleep(1)
        samples.append((time.monotonic() - begin, server.rss()))
    stop.set()
    for t in threads:
        t.join()
    server.idle()
    return samples


def main():
    # So little memory that the caches of prefixes have all of it, and have to give some back.
    server = Server(options.kedge, ["--engine-memory-bytes", str(96 * MIB)])
    failures = []
    fill(server)
    # A warm-up: caches and workers come into being, and do not go again.
    pass_of(server, min(600, max(20, options.seconds / 5)), options.seed)
    at_rest, descriptors, threads = server.rss(), server.descriptors(), server.threads()
    samples = pass_of(server, options.seconds, options.seed + 1)
    server.alive()
    grown = server.rss() - at_rest
    half = samples[len(samples) // 2:]
    print(f"{sum(counts.values())} requests in {options.seconds:.0f} s: {dict(sorted(counts.items()))}")
    print(f"memory at rest {at_rest / MIB:.1f} MiB, afterwards {grown / MIB:+.2f} MiB; slope {slope(samples):+.1f} MiB/h, "
          f"of the second half {slope(half):+.1f} MiB/h; descriptors {descriptors} to {server.descriptors()}, "
          f"threads {threads} to {server.threads()}")
    tenth = max(1, len(samples) // 10)
    print("MiB at work, by tenths: " + " ".join(f"{max(y for _, y in samples[i:i + tenth]) / MIB:.1f}"
                                                for i in range(0, len(samples), tenth)))
    if problems:
        failures.append(f"{len(problems)} wrong answers: {problems[:5]}")
    if grown > 16 * MIB:
        failures.append(f"memory grew by {grown / MIB:.1f} MiB")
    if server.descriptors() > descriptors + 8:
        failures.append("descriptors are lost")
    # What the caches of prefixes hold is theirs; beside that no page is in use.
    arena = json.loads(server.request("GET", "/v1/kedge/arena")[2])
    for engine in arena["engines"]:
        used = engine["stats"]["pages"]["in_use"]
        cached = engine["prefix"]
        print(f"{engine['model']}: {used} pages in use, prefixes {json.dumps(cached)}")
        if engine["stats"]["running"] or engine["stats"]["waiting"]:
            failures.append(f"{engine['model']} still works")
    server.stop()
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{int(not failures)} passed, {int(bool(failures))} failed")
    sys.exit(bool(failures))


os.environ.pop("KEDGE_SERVE_KEY", None)
main()
