"""Times a training step of SFPNeXt here and in PyTorch, in alternation, and prints the ratios.

  python3 compare.py --ours path/to/binary [--ours-arguments="--device=cpu"] [--model atto nano]
      [--size 128 256] [--batch 4 8]

The binary is called with --model=M --size=S --batch=B --steps=N --threads=T and prints one line of JSON
with at least "milliseconds_per_step" and "peak_memory_mib", as pytorch_step.py does. Programs take turns,
`--rounds` times, because a shared machine's speed drifts; the figure for each program is the median over
its rounds. A ratio above 1 means that ours is faster.
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

    programs = {
        "ours": [options.ours, *shlex.split(options.ours_arguments)],
        "pytorch": [sys.executable, PYTORCH_STEP],
    }
    if options.compile:
        programs["compiled"] = [sys.executable, PYTORCH_STEP, "--compile"]

    others = [name for name in programs if name != "ours"]
    header = f"{'model':<6} {'size':>5} {'batch':>5} {'threads':>7}"
    header += "".join(f" {name + ' ms':>12}" for name in programs) + "".join(
        f" {name + ' ratio':>15}" for name in others
    )
    print(header + "".join(f" {name + ' MiB':>12}" for name in programs), flush=True)
    for model, size, batch in itertools.product(options.model, options.size, options.batch):
        flags = [
            f"--model={model}",
            f"--size={size}",
            f"--batch={batch}",
            f"--steps={options.steps}",
            f"--threads={options.threads}",
            f"--device={options.device}",
            f"--precision={options.precision}",
        ]
        results = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, command in programs.items():
                results[name].append(run(command + flags))
                if options.json:
                    print(json.dumps(results[name][-1]), flush=True)
        times = {
            name: statistics.median(r["milliseconds_per_step"] for r in runs)
            for name, runs in results.items()
        }
        # On a device: what its arrays took, not the process.
        kind = "peak_memory_mib" if options.device == "cpu" else "arrays_peak_mib"
        memory = {name: max(r[kind] for r in runs) for name, runs in results.items()}
        line = f"{model:<6} {size:>5} {batch:>5} {options.threads:>7}"
        line += "".join(f" {times[name]:>12.1f}" for name in programs)
        line += "".join(f" {times[name] / times['ours']:>15.2f}" for name in others)
        print(line + "".join(f" {memory[name]:>12.0f}" for name in programs), flush=True)


if __name__ == "__main__":
    main()
