"""Final scores of several rows in one picture: a dot a seed, their mean, and a bar of ± one standard deviation.

  python3 tools/plot_scores.py PICTURE.svg [--score=mIoU] [--title=TITLE] 'NAME=FOLDER[,FOLDER…]' …

A FOLDER is a run's (with scores.json); several of one name are seeds. NAME@SCORE=FOLDER takes another score of the run, such as
'the same with the whole p-map@swap full=runs/…/ciss/seed_0'. The first row is the reference: a line stands at its mean. Needs matplotlib.
"""

import argparse
import json
import os
import statistics
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "runs", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402


def score_of(folder, name):
    try:
        with open(os.path.join(folder, "scores.json")) as file:
            return 100 * dict(json.load(file)["scores"])[name]
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"plot_scores: {folder}: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("rows", nargs="+", metavar="NAME=FOLDER,…")
    parser.add_argument("--score", default="mIoU")
    parser.add_argument("--title", default="")
    options = parser.parse_args()

    rows = []
    for text in options.rows:
        name, _, folders = text.rpartition("=")
        if not name:
            sys.exit(f"plot_scores: '{text}' is not NAME=FOLDER")
        name, _, score = name.partition("@")
        rows.append((name, [score_of(folder, score or options.score) for folder in folders.split(",")]))

    figure, axes = pyplot.subplots(figsize=(7.2, 0.9 + 0.34 * len(rows)))
    for y, (name, values) in enumerate(rows):
        mean = statistics.fmean(values)
        deviation = statistics.stdev(values) if len(values) > 1 else 0
        if deviation > 0:
            axes.errorbar(mean, y, xerr=deviation, color="C0", capsize=3, linewidth=1.5)
        axes.plot(values, [y] * len(values), linestyle="none", marker="o", markersize=4, color="C0", alpha=0.45, markeredgewidth=0)
        axes.plot(mean, y, marker="D", markersize=6, color="C0")
        axes.annotate(f"{mean:.1f}", (max(*values, mean + deviation), y), xytext=(8, -3.5), textcoords="offset points", fontsize=9)
    axes.axvline(statistics.fmean(rows[0][1]), color="0.6", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"validation {options.score} %")
    axes.set_title(options.title, fontsize=11)
    axes.grid(alpha=0.25, axis="x")
    figure.tight_layout()
    figure.savefig(options.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
