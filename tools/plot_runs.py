"""Validation mIoU of several runs in one picture, by steps or by what they asked of the reward.

  python3 tools/plot_runs.py PICTURE.svg [--by=queries] 'NAME=FOLDER[,FOLDER…]' …

A FOLDER is a run's (with log.csv and scores.json, such as runs/rss_pascal_context_001/rss_image); several of one name are seeds: their mean, and a band
of ± one standard deviation. --by=steps (default), images, or queries: scored maps. A run from labels asks for none, so with queries it is drawn
dashed, at the steps of the first run that asks. Needs matplotlib.
"""

import argparse
import csv
import json
import os
import statistics
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "runs", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot  # noqa: E402
from matplotlib import ticker  # noqa: E402


def fail(message):
    sys.exit(f"plot_runs: {message}")


class Run:
    def __init__(self, folder):
        try:
            with open(os.path.join(folder, "log.csv"), newline="") as file:
                self.curve = {int(row["step"]): 100 * float(row["mIoU"]) for row in csv.DictReader(file) if row["mIoU"] not in ("", "nan")}
            with open(os.path.join(folder, "scores.json")) as file:
                settings = dict(json.load(file)["settings"])
        except (OSError, KeyError, ValueError) as error:
            fail(f"{folder}: {error}")
        self.images = int(settings["batch_size"])
        # Maps are scored where rewards are learned from.
        by_reward = settings.get("supervision") == "image reward"
        scales = [scale for scale in settings.get("reward_scales", "").split(",") if scale]
        self.queries = self.images * int(settings.get("group_size", 0)) * len(scales) if by_reward else 0  # a step
        if by_reward and settings.get("progressive") == "true":
            fail(f"{folder}: scales switched on one after the other: its queries are not proportional to its steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER,…")
    parser.add_argument("--by", choices=("steps", "images", "queries"), default="steps")
    parser.add_argument("--title", default="")
    options = parser.parse_args()

    lines = []
    for text in options.runs:
        name, _, folders = text.rpartition("=")
        if not name:
            fail(f"'{text}' is not NAME=FOLDER")
        lines.append((name, [Run(folder) for folder in folders.split(",")]))
    asking = next((runs[0].queries for _, runs in lines if runs[0].queries), 0)
    if options.by == "queries" and not asking:
        fail("none of the runs asks for rewards")

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    for name, runs in lines:
        first = runs[0]
        unit = {"steps": 1, "images": first.images, "queries": first.queries or asking}[options.by]
        steps = [step for step in first.curve if all(step in run.curve for run in runs)]
        values = [[run.curve[step] for run in runs] for step in steps]
        x, mean = [unit * step for step in steps], [statistics.fmean(value) for value in values]
        dashed = options.by == "queries" and not first.queries
        (line,) = axes.plot(x, mean, marker=".", linestyle="--" if dashed else "-", label=f"{name}: {mean[-1]:.1f}")
        if len(runs) > 1:
            deviation = [statistics.stdev(value) for value in values]
            axes.fill_between(x, [m - d for m, d in zip(mean, deviation)], [m + d for m, d in zip(mean, deviation)], color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xlabel({"steps": "training steps", "images": "training images", "queries": "scored maps (dashed, from labels: the same steps)"}[options.by])
    axes.set_ylabel("validation mIoU %")
    axes.set_title(options.title, fontsize=11)
    axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(options.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
