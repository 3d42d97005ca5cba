"""Tables made from results: for a terminal, and in Markdown for README.md and docs/performance.md."""
import re

import results

SHAPES = {"qwen3-0.6b": "Qwen3-0.6B shape", "qwen3-1.7b": "Qwen3-1.7B shape",
          "qwen3-30b-a3b-slice": "Qwen3-30B-A3B slice (6 layers)"}
UNITS = {"wall": "tokens per second", "cpu": "tokens per second of processor time"}


def title(model):
    """"qwen3-0.6b-Q4_0.gguf" is "Qwen3-0.6B shape, Q4_0"; other files are called what they are."""
    match = re.fullmatch(r"(.+)-([A-Z]+\d\w*)\.gguf", model)
    if match and match.group(1) in SHAPES:
        return "%s, %s" % (SHAPES[match.group(1)], match.group(2))
    return model


def number(value):
    """Three digits, or all of a whole number."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return "%.0f" % value
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def bold(value):
    return "" if value is None else "**%.2f**" % value


def models(report, *tests):
    """In the order of the file."""
    return list(dict.fromkeys(row["model"] for row in report["rows"] if row["test"] in tests))


def points(report, name, *tests):
    return sorted(set(row[name] for row in report["rows"] if row["test"] in tests))


def grid(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def peer_programs(report):
    """One phrase: each program once, with what it was built for and its configurations."""
    by_commit = {}
    for peer in report["peers"]:
        kind = (peer.get("program"), peer.get("commit"), tuple(peer.get("isa") or ()))
        by_commit.setdefault(kind, []).append("%s%s" % (peer["name"], " (`%s`)" % " ".join(peer["flags"]) if peer["flags"] else ""))
    parts = []
    for (program, commit, isa), names in by_commit.items():
        facts = [fact for fact in (program, commit, "built for " + ", ".join(isa) if isa else None) if fact]
        parts.append(", ".join(names) + (": " + ", ".join(facts) if facts else ""))
    return "; ".join(parts)


def heading(report):
    machine, kedge, settings = report["machine"], report["kedge"], report["settings"]
    loads = [load for row in report["rows"] for load in row.get("loads", [])]
    facts = ["%s (%s cores)" % (machine["cpu"], machine["cores"]), "Kedge on `%s`" % kedge["isa"]]
    if kedge.get("commit"):
        facts.append("commit %s" % kedge["commit"])
    facts.append("%s threads" % settings["n_threads"] if settings["n_threads"] != 1 else "1 thread")
    facts.append("cache %s" % settings["kv_type"])
    if settings["measure"] == "cpu":
        facts.append(UNITS["cpu"])
    facts.append(report["date"][:10])
    if loads:
        facts.append("load average %.1f to %.1f" % (min(loads), max(loads)))
    return ", ".join(facts) + ". Peers: " + peer_programs(report) + "."


def about(report):
    note = report.get("note")
    return heading(report) + (" " + note if note else "")


def speed(report):
    """Reading a prompt and generating, from an empty context."""
    pp, tg = points(report, "n", "pp"), points(report, "n", "tg")
    fast = any("fast" in row["kedge"] for row in report["rows"])
    percent = any(row.get("read_percent") for row in report["rows"])
    head = ["model", "prefill %s: Kedge" % "/".join(map(str, pp)), "best peer", "ratio"]
    head += ["fast", "ratio"] if fast else []
    head += ["decode %s: Kedge" % "/".join(map(str, tg)), "best peer", "ratio"] + (["of the read bandwidth"] if percent else [])
    rows = []
    for model in models(report, "pp", "tg"):
        cells = [title(model)]
        for test in ("pp", "tg"):
            row = results.find(report, model=model, test=test, depth=0)
            if row is None:
                cells += [""] * (3 + (2 if fast and test == "pp" else 0))
            else:
                cells += compared(row)
                if fast and test == "pp":
                    cells += [number(results.middle(row["kedge"].get("fast"))), bold(results.ratio(row, "fast"))]
            if test == "tg" and percent:
                share = (row or {}).get("read_percent")
                cells.append("%.0f %%" % results.statistics.median(share) if share else "")
        rows.append(cells)
    return grid(head, rows)


def compared(row):
    """Kedge, the best peer with its name, the ratio."""
    name, best = results.best_peer(row)
    named = "%s (%s)" % (number(best), name) if best is not None and name != "best" else number(best)
    return [number(results.middle(row["kedge"].get("exact"))), named, bold(results.ratio(row))]


def depths(report):
    """Decode after so many tokens: Kedge, then each peer with Kedge's ratio to it."""
    names = [peer["name"] for peer in report["peers"]]
    rows = []
    for model in models(report, "tg"):
        for depth in points(report, "depth", "tg"):
            row = results.find(report, model=model, test="tg", depth=depth)
            if row is None:
                continue
            ours = results.middle(row["kedge"].get("exact"))
            cells = [title(model), str(depth), number(ours)]
            for name in names:
                theirs = results.middle(row["peers"].get(name))
                cells.append("%s (%.2f)" % (number(theirs), ours / theirs) if theirs else "")
            rows.append(cells)
    return grid(["model", "depth", "Kedge"] + names, rows)


def sequences(report):
    """Generated by all sequences together; in brackets the ratio to the best peer."""
    counts = points(report, "sequences", "batch")
    configurations = [n for n in ("exact", "fast") if any(n in row["kedge"] for row in report["rows"])]
    rows = []
    for model in models(report, "batch"):
        for configuration in configurations:
            cells = [title(model) + (", fast" if configuration == "fast" else "")]
            for count in counts:
                row = results.find(report, model=model, test="batch", sequences=count)
                value = results.middle(row["kedge"].get(configuration)) if row else None
                share = results.ratio(row, configuration) if row else None
                cells.append(number(value) + (" (%.2f)" % share if share else "") if value else "")
            rows.append(cells)
    return grid(["sequences"] + [str(n) for n in counts], rows)


def loads(report):
    rows = []
    for model in models(report, "load"):
        kinds = [("seconds", "load", 1), ("processor seconds", "load_cpu", 1), ("peak memory, MB", "load_resident", 1e6)]
        for what, test, unit in kinds:
            row = results.find(report, model=model, test=test)
            if row is None:
                continue
            name, best = results.best_peer(row)
            ours = results.middle(row["kedge"]["exact"])
            rows.append([title(model), what, number(ours / unit), "%s (%s)" % (number(best / unit), name), bold(results.ratio(row))])
    return grid(["model", "a process, up to one token", "Kedge", "best peer", "ratio"], rows)


def peers(report):
    """Every peer's median, so that nobody has to believe which was best."""
    names = [peer["name"] for peer in report["peers"]]
    rows = []
    for row in report["rows"]:
        if row["test"] not in ("pp", "tg") or row["depth"] != 0:
            continue
        cells = [title(row["model"]), "%s%s" % (row["test"], row["n"])]
        cells += [number(results.middle(row["kedge"].get("exact")))]
        rows.append(cells + [number(results.middle(row["peers"].get(name))) for name in names])
    return grid(["model", "test", "Kedge"] + names, rows)


MARKDOWN = {"about": about, "speed": speed, "depths": depths, "sequences": sequences, "loads": loads, "peers": peers}


def plain(report):
    """Every test of a report, for a terminal."""
    names = [peer["name"] for peer in report["peers"]]
    configurations = list(report["kedge"]["flags"])
    widths = [max(10, len(name)) for name in names]
    line = "%-34s %-22s" % ("model", "test") + "".join("%11s" % ("kedge " + name)[-11:] for name in configurations)
    line += "".join("  %*s" % (width, name) for width, name in zip(widths, names)) + "   ratio  best peer      of bandwidth"
    lines = [line.rstrip()]
    for row in report["rows"]:
        test = "%s %s" % (row["test"], row["n"])
        test += " at %d" % row["depth"] if row["depth"] else ""
        test += ", %d seq." % row["sequences"] if row["test"].startswith("batch") else ""
        line = "%-34s %-22s" % (row["model"][-34:], test)
        unit = 1e6 if row["test"] == "load_resident" else 1
        for entry, width in ([(row["kedge"].get(name), 11) for name in configurations] +
                             [(row["peers"].get(name), width + 2) for name, width in zip(names, widths)]):
            value = results.middle(entry)
            line += "%*s" % (width, "-" if value is None else "%.2f" % (value / unit))
        share = results.ratio(row, "exact")
        line += " %7s  %-12s" % ("-" if share is None else "%.3f" % share, results.best_peer(row)[0] or "-")
        if row.get("read_percent"):
            line += " %13.1f %%" % results.statistics.median(row["read_percent"])
        lines.append(line.rstrip())
    return "\n".join(lines)
