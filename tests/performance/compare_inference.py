"""Times label maps of random images here, in PyTorch (eager and compiled), ONNX Runtime and OpenVINO, in turns.

  python3 compare_inference.py --ours path/to/inference [--model nano deeplabv3_resnet50 segformer_b1] [--size 512]
      [--precision float32 bfloat16] [--threads 2] [--rounds 3]

The ONNX files are exported first, into a folder that is removed afterwards. The figure of a program is the median over
its rounds; "ratio" is its time over ours (above 1: ours is faster), "share" our peak memory over its own.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile

from compare import run

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inference_peers.py")
PROGRAMS = ["ours", "eager", "compiled", "onnxruntime", "openvino"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="the binary")
    parser.add_argument("--model", nargs="+", default=["nano", "deeplabv3_resnet50", "segformer_b1"])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=59)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", nargs="+", default=PROGRAMS[1:], choices=PROGRAMS[1:], help="beside ours")
    options = parser.parse_args()

    shared = [f"--{name}={getattr(options, name)}" for name in ("size", "batch", "classes")]
    timing = [f"--steps={options.steps}", f"--threads={options.threads}"]
    print(f"{'model':<22} {'precision':<9} {'program':<12} {'ms':>9} {'ratio':>6} {'MiB':>7} {'share':>6}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for model, precision in itertools.product(options.model, options.precision):
            file = os.path.join(folder, f"{model}.onnx")
            if {"onnxruntime", "openvino"} & set(options.program) and not os.path.exists(file):
                command = [sys.executable, PEERS, "--program=export", f"--model={model}", f"--file={file}", *shared]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            programs = ["ours", *options.program]
            if precision == "bfloat16" and "onnxruntime" in programs:
                programs.remove("onnxruntime")
            results = {program: [] for program in programs}
            for _, program in itertools.product(range(options.rounds), programs):
                own = [options.ours] if program == "ours" else [sys.executable, PEERS, f"--program={program}"]
                if program in ("onnxruntime", "openvino"):
                    own.append(f"--file={file}")
                results[program].append(run([*own, f"--model={model}", f"--precision={precision}", *shared, *timing]))
            times = {p: statistics.median(r["milliseconds_per_step"] for r in runs) for p, runs in results.items()}
            memory = {p: max(r["peak_memory_mib"] for r in runs) for p, runs in results.items()}
            for program in programs:
                ratio, share = times[program] / times["ours"], memory["ours"] / memory[program]
                print(
                    f"{model:<22} {precision:<9} {program:<12} {times[program]:>9.1f} {ratio:>6.2f} "
                    f"{memory[program]:>7.0f} {share:>6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
