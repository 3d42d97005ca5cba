#!/usr/bin/env python3
"""Charts of results: docs/performance/<results>.svg, or <results>-<chart>.svg where a file's name does not say which it is.

  bench/peer/charts.py [--out docs/performance] [--format svg] [RESULTS.json...]    without files: all of bench/results

Needs matplotlib (Debian: python3-matplotlib). The same results and the same matplotlib give the same bytes.
"""
import argparse
import os

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402: the backend is chosen first

import results  # noqa: E402
import tables  # noqa: E402
from programs import fail  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Colours that the colour-blind can tell apart (Okabe and Ito 2008); Kedge's are the first two.
KEDGE = {"exact": "#0072b2", "fast": "#56b4e9"}
PEERS = ["#d55e00", "#cc79a7", "#009e73", "#b58900", "#333333", "#999999"]
PEER_MARKS = "s^vDPX"
STYLE = {"svg.hashsalt": "kedge", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9, "axes.axisbelow": True,
         "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd",
         "axes.titlesize": 10, "legend.frameon": False}


def series(report, rows):
    """(label, side, name, colour) of every configuration that has a value in these rows, Kedge first."""
    found = []
    for name, colour in KEDGE.items():
        if any(results.middle(row["kedge"].get(name)) for row in rows):
            found.append(("Kedge" if name == "exact" else "Kedge, fast", "kedge", name, colour))
    for index, peer in enumerate(report["peers"]):
        if any(results.middle(row["peers"].get(peer["name"])) for row in rows):
            found.append((peer["name"], "peers", peer["name"], PEERS[index % len(PEERS)]))
    return found


def spread(entry):
    """Distances from the median to the lowest and the highest sample."""
    samples = (entry or {}).get("samples")
    if not samples:
        return [0], [0]
    middle = results.middle(entry)
    return [middle - min(samples)], [max(samples) - middle]


def short(model):
    return tables.title(model).replace(" shape", "").replace(" (6 layers)", "")


def bars(axes, report, test, name):
    rows = [row for row in report["rows"] if row["test"] == test and row["depth"] == 0]
    lines = series(report, rows)
    width = 0.84 / max(1, len(lines))
    for index, (label, side, key, colour) in enumerate(lines):
        for place, row in enumerate(rows):
            value = results.middle(row[side].get(key))
            if value is None:
                continue
            x = place - 0.42 + (index + 0.5) * width
            axes.bar(x, value, width * 0.94, color=colour, label=label if place == 0 else None, yerr=spread(row[side].get(key)),
                     error_kw={"elinewidth": 0.8, "ecolor": "#222222"})
            axes.annotate(tables.number(value), (x, 0), (0, 3), textcoords="offset points", ha="center", rotation=90, fontsize=7,
                          color="white")
    axes.set_xticks(range(len(rows)), [short(row["model"]).replace(", ", "\n") for row in rows])
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_title("%s %s tokens" % (name, "/".join(str(n) for n in sorted(set(row["n"] for row in rows)))), loc="left")
    axes.set_ylabel(tables.UNITS[report["settings"]["measure"]])


def speed(report):
    tests = [(test, name) for test, name in (("pp", "Reading a prompt of"), ("tg", "Generating"))
             if any(row["test"] == test and row["depth"] == 0 for row in report["rows"])]
    figure, panels = pyplot.subplots(len(tests), 1, figsize=(9, 3.4 * len(tests)), squeeze=False)
    for (axes,), (test, name) in zip(panels, tests):
        bars(axes, report, test, name)
    panels[0][0].legend(ncols=6, loc="upper left", bbox_to_anchor=(0, 1.24), borderaxespad=0)
    return figure


def curves(report, test, along, what):
    """A panel for every model, a line for every program."""
    models = tables.models(report, test)
    models = [m for m in models if len(set(row[along] for row in report["rows"] if row["model"] == m and row["test"] == test)) > 1]
    columns = 2 if len(models) > 1 else 1
    lines = (len(models) + columns - 1) // columns
    figure, panels = pyplot.subplots(lines, columns, figsize=(4.6 * columns, 3.2 * lines), squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(models):
            axes.set_visible(False)
            continue
        rows = sorted((row for row in report["rows"] if row["test"] == test and row["model"] == models[index]),
                      key=lambda row: row[along])
        for number, (label, side, key, colour) in enumerate(series(report, rows)):
            points = [(row[along], results.middle(row[side].get(key))) for row in rows if results.middle(row[side].get(key))]
            mark = "o" if side == "kedge" else PEER_MARKS[number % len(PEER_MARKS)]
            axes.plot(*zip(*points), color=colour, label=label, marker=mark, markersize=4, linewidth=2 if side == "kedge" else 1.3)
        axes.set_title(short(models[index]), loc="left")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(what)
        ticks = sorted(set(row[along] for row in rows))
        if along == "sequences":
            axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_ylabel("tokens per second")
    panels[0][0].legend(fontsize=8)
    return figure


def depth(report):
    return curves(report, "tg", "depth", "tokens already in the context")


def sequences(report):
    return curves(report, "batch", "sequences", "sequences at once")


def kinds(report):
    """The charts that this report fills: Kedge beside somebody."""
    rows = [row for row in report["rows"] if results.middle(row["kedge"].get("exact")) and results.best_peer(row)[0]]
    chosen = []
    if any(row["test"] == "pp" and row["depth"] == 0 for row in rows):
        chosen.append(("speed", speed))
    if len(set(row["depth"] for row in rows if row["test"] == "tg")) > 1:
        chosen.append(("depth", depth))
    if any(row["test"] == "batch" for row in rows):
        chosen.append(("sequences", sequences))
    return chosen


def draw(report, folder, form):
    made = []
    with matplotlib.rc_context(STYLE):
        for name, chart in kinds(report):
            figure = chart(report)
            figure.text(0.01, 0.002, "%s, %s, %s" % (report["machine"]["cpu"], report["kedge"]["isa"], report["date"][:10]),
                        fontsize=7, color="#555555")
            figure.tight_layout(rect=(0, 0.02, 1, 1))
            stem = report["name"] if report["name"].endswith(name) else "%s-%s" % (report["name"], name)
            path = os.path.join(folder, "%s.%s" % (stem, form))
            figure.savefig(path, dpi=110, metadata={"Date": None} if form == "svg" else None)
            pyplot.close(figure)
            made.append(path)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="RESULTS.json")
    parser.add_argument("--out", default=os.path.join(ROOT, "docs", "performance"))
    parser.add_argument("--format", default="svg", choices=["svg", "png"])
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    reports = [results.load(path) for path in args.files] or list(
        results.load_folder(os.path.join(ROOT, "bench", "results")).values())
    if not reports:
        fail("no results")
    for report in reports:
        for path in draw(report, args.out, args.format):
            print(path)


if __name__ == "__main__":
    main()
