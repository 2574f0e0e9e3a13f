"""Times a training step of a network here and in PyTorch, in alternation, and prints the ratios.

  python3 compare.py --ours path/to/binary [--ours-arguments="--device=cpu"] [--model atto nano]
      [--size 128 256] [--batch 4 8] [--optimizer sgd] [--auxiliary_weight 0.4] [--beside nano]

The binary is called with --model=M --size=S --batch=B --steps=N --threads=T --optimizer=O --auxiliary_weight=W --classes=K --rollout=R and
prints one line of JSON with at least "milliseconds_per_step" and "peak_memory_mib", as pytorch_step.py does. Programs and models
take turns, `--rounds` times, because a shared machine's speed drifts; the figure for each program is the median over
its rounds. A ratio above 1 means that ours is faster, a share below 1
that ours takes less memory. --beside adds our time as a multiple of our time for another model.
"""

import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys

PYTORCH_STEP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_step.py")


def run(command):
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
    if finished.returncode != 0 or not lines:
        sys.exit(f"{shlex.join(command)}: exit code {finished.returncode}, {len(lines)} lines of JSON")
    return json.loads(lines[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ours", required=True, help="the binary")
    parser.add_argument("--ours-arguments", default="", help="more arguments for it, in one string")
    parser.add_argument("--model", nargs="+", default=["atto", "nano"])
    parser.add_argument("--optimizer", default="adamw", choices=["adamw", "sgd"])
    parser.add_argument("--auxiliary_weight", type=float, default=0, help="of networks that have an auxiliary head")
    parser.add_argument("--rollout", type=int, default=4, help="T of ciss_… networks")
    parser.add_argument("--concatenate", action="store_true", help="also PyTorch's ciss_… with its first convolutions over [X, E]")
    parser.add_argument("--beside", help="a model of --model")
    parser.add_argument("--classes", type=int, default=59)
    parser.add_argument("--size", nargs="+", type=int, default=[128, 256])
    parser.add_argument("--batch", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="also PyTorch with torch.compile")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true", help="also print every measurement")
    options = parser.parse_args()

    if options.beside is not None and options.beside not in options.model:
        parser.error(f"--beside {options.beside} is not among --model {' '.join(options.model)}")

    programs = {
        "ours": [options.ours, *shlex.split(options.ours_arguments)],
        "pytorch": [sys.executable, PYTORCH_STEP],
    }
    if options.concatenate:
        programs["concatenated"] = [sys.executable, PYTORCH_STEP, "--concatenate"]
    if options.compile:
        programs["compiled"] = [sys.executable, PYTORCH_STEP, "--compile"]
    others = [name for name in programs if name != "ours"]

    width = max(map(len, ["model", *options.model]))
    columns = [f"{name} ms" for name in programs] + [f"{name} ratio" for name in others]
    columns += [f"{name} MiB" for name in programs] + [f"{name} share" for name in others]
    if options.beside is not None:
        columns.append(f"/ {options.beside}")
    widths = [max(12, len(column)) for column in columns]

    def print_row(cells, values):
        line = f"{cells[0]:<{width}} {cells[1]:>5} {cells[2]:>5} {cells[3]:>7}"
        print(line + "".join(f" {value:>{w}}" for value, w in zip(values, widths, strict=True)), flush=True)

    print_row(["model", "size", "batch", "threads"], columns)
    for size, batch in itertools.product(options.size, options.batch):
        results = {(model, name): [] for model in options.model for name in programs}
        for _, (model, name) in itertools.product(range(options.rounds), list(results)):
            if name == "concatenated" and not model.startswith("ciss_"):
                continue
            flags = [
                f"--model={model}",
                f"--size={size}",
                f"--batch={batch}",
                f"--steps={options.steps}",
                f"--threads={options.threads}",
                f"--device={options.device}",
                f"--precision={options.precision}",
                f"--optimizer={options.optimizer}",
                f"--auxiliary_weight={0 if model.startswith('ciss_') else options.auxiliary_weight}",
                f"--classes={options.classes}",
                f"--rollout={options.rollout}",
            ]
            results[model, name].append(run(programs[name] + flags))
            if options.json:
                print(json.dumps(results[model, name][-1]), flush=True)
        times = {key: statistics.median(r["milliseconds_per_step"] for r in runs) for key, runs in results.items() if runs}
        # On a device: what its arrays took, not the process.
        kind = "peak_memory_mib" if options.device == "cpu" else "arrays_peak_mib"
        memory = {key: max(r[kind] for r in runs) for key, runs in results.items() if runs}
        for model in options.model:
            own_time, own_memory = times[model, "ours"], memory[model, "ours"]
            ran = [name for name in programs if (model, name) in times]
            values = {f"{name} ms": f"{times[model, name]:.1f}" for name in ran}
            values |= {f"{name} ratio": f"{times[model, name] / own_time:.2f}" for name in ran}
            values |= {f"{name} MiB": f"{memory[model, name]:.0f}" for name in ran}
            values |= {f"{name} share": f"{own_memory / memory[model, name]:.2f}" for name in ran}
            if options.beside is not None:
                values[f"/ {options.beside}"] = f"{own_time / times[options.beside, 'ours']:.2f}"
            cells = [values.get(column, "-") for column in columns]
            print_row([model, size, batch, options.threads], cells)


if __name__ == "__main__":
    main()
