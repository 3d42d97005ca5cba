"""Files of results (bench/results/*.json): every sample of a comparison, with the machine, the programs and the date.

{"format": 1, "name", "date", "machine": {"cpu", "isa", "cores", "memory", ...},
 "kedge": {"version", "commit", "isa", "flags": {configuration: [...]}}, "peers": [{"name", "flags", "commit", "isa", ...}],
 "settings": {"n_threads", "kv_type", "measure": "wall" or "cpu"}, "note" (where there is something to say),
 "rows": [{"model", "test", "n", "depth", "sequences", "loads": [...], "kedge": {configuration: {"samples": [...]}},
           "peers": {name: {"samples": [...]}}}]}

Tests: pp (reading n tokens), tg (generating n), both after `depth` tokens; batch (`sequences` at once generate n each),
batch_pp (they read); load (a whole process up to one token, seconds), load_cpu (its processor seconds), load_resident (its
peak memory, bytes). Medians and ratios are computed from the samples whenever they are wanted. A file copied from a text
without samples has "median" in their place, and says so in its note; one that knows a ratio only has "ratio" in the row.
"""
import datetime
import json
import os
import statistics

from programs import fail

KEY = ("model", "test", "n", "depth", "sequences")
LESS_IS_BETTER = ("load", "load_cpu", "load_resident")
# What must not change between runs that are put into one file.
SAME = ("machine", "kedge", "settings")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def key(row):
    return tuple(row[name] for name in KEY)


def middle(entry):
    if entry is None:
        return None
    if entry.get("samples"):
        return statistics.median(entry["samples"])
    return entry.get("median")


def best_peer(row):
    """(name, median) of the peer that is hardest to beat in this test; (None, None) without one."""
    medians = {name: middle(entry) for name, entry in row["peers"].items() if middle(entry) is not None}
    if not medians:
        return None, None
    choose = min if row["test"] in LESS_IS_BETTER else max
    name = choose(sorted(medians), key=medians.get)
    return name, medians[name]


def ratio(row, configuration="exact"):
    """Above 1: Kedge is better. None where one side is missing."""
    if configuration in row.get("ratio", {}):
        return row["ratio"][configuration]
    ours, theirs = middle(row["kedge"].get(configuration)), best_peer(row)[1]
    if not ours or not theirs:
        return None
    return theirs / ours if row["test"] in LESS_IS_BETTER else ours / theirs


def find(report, **wanted):
    """The one row that has these values; None without it."""
    rows = [row for row in report["rows"] if all(row.get(name) == value for name, value in wanted.items())]
    if len(rows) > 1:
        fail("%s: %d rows have %s" % (report["name"], len(rows), wanted))
    return rows[0] if rows else None


def check(report, path):
    if report.get("format") != 1:
        fail("%s: format %s is not 1" % (path, report.get("format")))
    for name in ("name", "date", "machine", "kedge", "peers", "settings", "rows"):
        if name not in report:
            fail("%s: no '%s'" % (path, name))
    seen = set()
    for row in report["rows"]:
        if key(row) in seen:
            fail("%s: two rows of %s" % (path, key(row)))
        seen.add(key(row))
    return report


def load(path):
    with open(path, encoding="utf-8") as text:
        try:
            report = json.load(text)
        except ValueError as error:
            fail("%s: %s" % (path, error))
    return check(report, path)


def load_folder(folder):
    """By name, which is the file's."""
    reports = {}
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".json"):
            reports[entry[:-5]] = load(os.path.join(folder, entry))
    return reports


def extend(into, more, what):
    for name, entry in more.items():
        into.setdefault(name, {"samples": []})
        if "samples" not in into[name]:
            fail("%s of %s has a median only, nothing can be added to it" % (name, what))
        into[name]["samples"] += entry["samples"]


def merge(report, more):
    """Samples of the same test are put together; a file is one machine and one version of every program."""
    for name in SAME:
        was, now_is = ({k: v for k, v in r[name].items() if k != "flags"} for r in (report, more))
        if was != now_is:
            fail("%s: another %s, this needs a file of its own:\n%s\n%s" %
                 (report["name"], name, json.dumps(was), json.dumps(now_is)))
    for name, flags in more["kedge"]["flags"].items():
        if report["kedge"]["flags"].setdefault(name, flags) != flags:
            fail("%s: '%s' had the flags %s" % (report["name"], name, report["kedge"]["flags"][name]))
    known = {peer["name"]: peer for peer in report["peers"]}
    for peer in more["peers"]:
        was = known.setdefault(peer["name"], peer)
        for field in peer:
            if was.get(field) is None:
                was[field] = peer[field]
            elif peer[field] is not None and was[field] != peer[field]:
                fail("%s: peer %s had %s %s, now %s" % (report["name"], peer["name"], field, was[field], peer[field]))
    report["peers"] = list(known.values())
    rows = {key(row): row for row in report["rows"]}
    for row in more["rows"]:
        old = rows.get(key(row))
        if old is None:
            report["rows"].append(row)
            continue
        for name in ("loads", "read_percent"):
            old[name] = old.get(name, []) + row.get(name, [])
        for side in ("kedge", "peers"):
            extend(old[side], row[side], key(row))
    report["date"] = more["date"]
    return report


def rounded(value):
    """Samples with five digits: more is noise, and makes files that nobody can read."""
    if isinstance(value, float):
        return float("%.5g" % value)
    if isinstance(value, dict):
        return {name: rounded(v) for name, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value


def dumps(report):
    """One row of results a line, so that a change can be read."""
    head = {name: value for name, value in report.items() if name != "rows"}
    lines = json.dumps(rounded(head), indent=1)[:-2]
    rows = ",\n".join("  " + json.dumps(rounded(row)) for row in report["rows"])
    return lines + ",\n \"rows\": [\n" + rows + "\n ]\n}\n"


def save(path, report):
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as out:
        out.write(dumps(report))
    os.replace(part, path)
