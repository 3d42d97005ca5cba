"""One measurement of one program: samples of Kedge, of a llama-bench or of a llama-batched-bench.

Speeds are tokens per second, or, with `cpu`, tokens per second of processor time: a process is run with one repetition and with
some more, and the difference belongs to the repetitions alone, without load and warm-up. On a machine that others use too, that is
what can still be compared; with more than one thread it counts threads that wait as well.
"""
import json

from programs import fail, read_array, run


class Settings:
    def __init__(self, threads=2, repetitions=2, kv_type="f16", cpu=False, launcher=()):
        self.threads = threads
        self.repetitions = repetitions
        self.kv_type = kv_type
        self.cpu = cpu
        self.launcher = list(launcher)  # in front of every measured command

    def describe(self):
        return {"n_threads": self.threads, "kv_type": self.kv_type, "measure": "cpu" if self.cpu else "wall"}


class Kedge:
    """Kedge in one configuration: flags for the command, variables for its environment."""

    def __init__(self, path, flags=(), env=None):
        self.path = path
        self.flags = list(flags)
        self.env = dict(env or {})

    def run(self, settings, words):
        return run(settings.launcher + [self.path] + words + self.flags, self.env)


def difference(cost, repetitions, tokens):
    """Tokens per processor second; `cost` runs the program with so many repetitions and returns what that took."""
    some = cost(1 + repetitions) - cost(1)
    if some <= 0:
        fail("%d more repetitions cost no processor time: more tokens or repetitions are needed" % repetitions)
    return repetitions * tokens / some


def kedge_bench(kedge, settings, model, prompt, gen, depth, repetitions, bandwidth=False):
    words = ["bench", "-m", model, "-p", str(prompt), "-n", str(gen), "-t", str(settings.threads), "-r", str(repetitions),
             "--depth", str(depth), "--kv-type", settings.kv_type, "--json"] + (["--bandwidth"] if bandwidth else [])
    return kedge.run(settings, words)


def kedge_speed(kedge, settings, model, prompt, gen, depth, bandwidth=False):
    """({"pp": samples, "tg": samples}, what kedge bench said)"""
    if not settings.cpu:
        details = json.loads(kedge_bench(kedge, settings, model, prompt, gen, depth, settings.repetitions, bandwidth).output)
        return {"pp": details["pp_tps"], "tg": details["tg_tps"]}, details
    details = {}

    def rate(p, n):
        nonlocal details

        def cost(repetitions):
            nonlocal details
            done = kedge_bench(kedge, settings, model, p, n, depth, repetitions)
            details = json.loads(done.output)
            return done.cpu_seconds
        return [difference(cost, settings.repetitions, p or n)]
    if depth > 0:
        fail("--cpu-time at a depth: reading up to it would be counted too")
    return {"pp": rate(prompt, 0) if prompt else [], "tg": rate(0, gen) if gen else []}, details


def peer_bench(peer, settings, model, words, repetitions):
    command = settings.launcher + [peer.path, "-m", model, "-t", str(settings.threads), "-r", str(repetitions), "-ctk",
                                   settings.kv_type, "-ctv", settings.kv_type, "-o", "json"] + words + peer.flags
    done = run(command)
    tests = read_array(done.output, command)
    for test in tests:
        peer.commit = test.get("build_commit") or peer.commit
    return done, tests


def sort_tests(tests, name, prompt, gen, depth, by_prompt):
    """Samples by test. ik_llama.cpp's llama-bench has no -d; its -gp generates after a prompt, which is as good for decode."""
    samples = {"pp": [], "tg": []}
    for test in tests:
        shape = (test["n_prompt"], test["n_gen"], test.get("n_depth", 0))
        if gen > 0 and shape == ((depth, gen, 0) if by_prompt else (0, gen, depth)):
            samples["tg"] += test["samples_ts"]
        elif prompt > 0 and shape == (prompt, 0, depth):
            samples["pp"] += test["samples_ts"]
        else:
            fail("%s measured prompt, generation, depth %s, which nobody asked for" % (name, shape))
    return samples


def peer_speed(peer, settings, model, prompt, gen, depth):
    if settings.cpu:
        def rate(p, n):
            words = ["-p", str(p), "-n", str(n)]
            cost = lambda repetitions: peer_bench(peer, settings, model, words, repetitions)[0].cpu_seconds
            return [difference(cost, settings.repetitions, p or n)]
        return {"pp": rate(prompt, 0) if prompt else [], "tg": rate(0, gen) if gen else []}
    by_prompt = depth > 0 and not peer.has_depth
    if by_prompt:
        if not peer.has_gp:
            fail("%s: this llama-bench has neither -d nor -gp, it cannot measure at a depth" % peer.name)
        if gen == 0:
            return {"pp": [], "tg": []}
        words = ["-p", "0", "-n", "0", "-gp", "%d,%d" % (depth, gen)]
    else:
        words = ["-p", str(prompt), "-n", str(gen)] + (["-d", str(depth)] if depth > 0 else [])
    return sort_tests(peer_bench(peer, settings, model, words, settings.repetitions)[1], peer.name, prompt, gen, depth,
                      by_prompt)


def kedge_sequences(kedge, settings, model, prompt, gen, n):
    """Tokens per second of all sequences together: {"batch": generating, "batch_pp": reading}"""
    done = kedge.run(settings, ["bench", "-m", model, "-p", str(prompt), "-n", str(gen), "-t", str(settings.threads), "-r",
                                str(settings.repetitions), "--kv-type", settings.kv_type, "--sequences", str(n), "--json"])
    details = json.loads(done.output)
    return {"batch": details["runs"][0]["tg_tps"], "batch_pp": details["runs"][0]["pp_tps"]}, details


def batches(text):
    """What llama-batched-bench measured, from JSON lines or from the table that ik_llama.cpp's prints."""
    names = None
    for line in text.splitlines():
        if line.startswith("{"):
            test = json.loads(line)
            yield (test["pl"], test["pp"], test["tg"]), test["speed_tg"], test["speed_pp"]
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|\n ").split("|")]
            if cells[0] == "PP":
                names = cells
            elif names and cells[0].isdigit():
                row = dict(zip(names, cells))
                yield (int(row["B"]), int(row["PP"]), int(row["TG"])), float(row["S_TG t/s"]), float(row["S_PP t/s"])


def sort_batches(text, name, prompt, gen, n, repetitions):
    samples = {"batch": [], "batch_pp": []}
    for shape, generating, reading in batches(text):
        if shape != (n, prompt, gen):
            fail("%s measured sequences, prompt, generation %s, which nobody asked for" % (name, shape))
        samples["batch"].append(generating)
        samples["batch_pp"].append(reading)
    if len(samples["batch"]) != repetitions:
        fail("%s measured %d times instead of %d" % (name, len(samples["batch"]), repetitions))
    return samples


def peer_sequences(peer, settings, model, prompt, gen, n):
    room = n * (prompt + gen) + 64
    form = ["--output-format", "jsonl"] if "--output-format" in peer.help else []
    command = settings.launcher + [
        peer.path, "-m", model, "-t", str(settings.threads), "-npp", str(prompt), "-ntg", str(gen), "-npl",
        ",".join([str(n)] * settings.repetitions), "-c", str(room), "-ctk", settings.kv_type, "-ctv",
        settings.kv_type] + form + peer.flags
    done = run(command)
    return sort_batches(done.output + "\n" + done.errors, peer.name, prompt, gen, n, settings.repetitions)


def cost_of(done):
    return {"load": [done.seconds], "load_cpu": [done.cpu_seconds], "load_resident": [done.resident]}


def kedge_load(kedge, settings, model):
    """A whole process from its start to its end: the model opened, one token read, one chosen."""
    return cost_of(kedge.run(settings, ["run", "-m", model, "-p", "a", "-n", "1", "-t", str(settings.threads), "--kv-type",
                                        settings.kv_type]))


def peer_load(peer, settings, model):
    return cost_of(peer_bench(peer, settings, model, ["-p", "0", "-n", "1"] + peer.no_warmup, 1)[0])
