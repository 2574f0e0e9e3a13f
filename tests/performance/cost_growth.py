"""How the cost of a training step grows: with pixels, batch, classes, maps a sample (N) and threads, one at a time.

  python3 cost_growth.py --ours path/to/training_step [--plot growth.svg] [--rounds 2]

Each axis starts from the same step (image-level RSS loss, five scales, `--credit`). "Exponent" is the slope between
neighbours in log-log: 1 is linear, 0 costs nothing; "loss" is the share of the forward pass's loss (draws, rewards,
credit) in the whole step. The axes take turns; a figure is the least of its rounds, as other load can only add to it.
"""

import argparse
import math

from compare import run

START = {"size": 128, "batch": 2, "classes": 21, "samples": 16, "threads": 1}
AXES = {
    "size": [64, 128, 256, 384],
    "batch": [1, 2, 4, 8],
    "classes": [5, 21, 60, 150],
    "samples": [4, 8, 16, 32, 64, 128],
    "threads": [1, 2],
}


def run_step(options, settings):
    command = [options.ours, f"--model={options.model}", "--loss=rss", f"--credit={options.credit}"]
    command += [f"--steps={options.steps}", "--warmup=1"] + [f"--{name}={value}" for name, value in settings.items()]
    return run(command)


def plot(results, path, title):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "cost", "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(3 * len(results), 3), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, results.items(), strict=True):
        values = [value for value, _ in points]
        axis.plot(values, [p["milliseconds_per_step"] for _, p in points], "o-", label="step")
        axis.plot(values, [p["loss_forward_milliseconds"] for _, p in points], "s--", label="loss, forward")
        axis.set(xscale="log", yscale="log", xlabel={"samples": "N, maps a scale", "size": "side, pixels"}.get(name, name))
        axis.set_xticks(values, [str(value) for value in values])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms")
    axes[-1].legend(loc="upper right")
    figure.suptitle(title)
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="the binary training_step")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--credit", default="posterior", choices=["psd", "posterior"])
    parser.add_argument("--axis", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--plot", help="an .svg")
    options = parser.parse_args()

    points = {}
    for _ in range(options.rounds):
        for axis in options.axis:
            for value in AXES[axis]:
                settings = {**START, axis: value}
                key = tuple(settings.items())
                result = run_step(options, settings)
                if key not in points or result["milliseconds_per_step"] < points[key]["milliseconds_per_step"]:
                    points[key] = result

    print("| axis | value | ms a step | exponent | loss % | MiB |\n|---|---|---|---|---|---|")
    results = {}
    for axis in options.axis:
        results[axis] = [(value, points[tuple({**START, axis: value}.items())]) for value in AXES[axis]]
        before = None
        for value, point in results[axis]:
            time = point["milliseconds_per_step"]
            exponent = "" if before is None else f"{math.log(time / before[1]) / math.log(value / before[0]):.2f}"
            share = 100 * point["loss_forward_milliseconds"] / time
            print(f"| {axis} | {value} | {time:.1f} | {exponent} | {share:.1f} | {point['peak_memory_mib']:.0f} |")
            before = (value, time)
    if options.plot:
        start = ", ".join(f"{name} {value}" for name, value in START.items())
        plot(results, options.plot, f"{options.model}, RSS with {options.credit} credit; start: {start}")


if __name__ == "__main__":
    main()
