"""Lays the operations of operations.cc beside PyTorch's, as a table of Markdown.

  python3 compare_operations.py --ours path/to/operations[.jsonl] [--device cuda] [--precision bfloat16] [--size 512] [--batch 16]

"of copy" is the rate at which an operation moves what its definition says, over that of a plain copy of a large array in the same run: the bandwidth floor
is 1; what it printed before may stand for the program. "of peak" is over --peak, the machine's TFLOP/s at this precision (known for some GPUs). A ratio above 1 means that ours is faster. Without PyTorch
its columns stay empty.
"""

import argparse
import json
import os
import subprocess
import sys

PYTORCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_operations.py")

# Dense TFLOP/s of the tensor cores in bfloat16 and of the CUDA cores in float32 (no TF32), from the data sheets.
PEAKS = {
    "A100": {"bfloat16": 312, "float32": 19.5},
    "H100 PCIe": {"bfloat16": 756, "float32": 51},
    "H100": {"bfloat16": 989, "float32": 67},
    "H200": {"bfloat16": 989, "float32": 67},
}


def lines_of_json(command):
    finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
    return finished.returncode, found, finished.stderr.strip()


def peak_of_device(options):
    if not options.device.startswith("cuda"):
        return None
    try:
        finished = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], stdout=subprocess.PIPE, text=True)
    except OSError:
        return None
    for name, peaks in PEAKS.items():
        if name in finished.stdout:
            return peaks[options.precision]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="the program, or a file of the lines that it printed")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--size", type=int, default=512, help="height and width of the crops, a multiple of 32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes all cores")
    parser.add_argument("--product", type=int, default=8192, help="rows and columns of the square matrix product")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the machine at this precision")
    options = parser.parse_args()
    flags = [f"--{name}={getattr(options, name)}" for name in ["device", "precision", "size", "batch", "threads", "product", "only"]]

    failed = False
    if options.ours.endswith(".jsonl"):
        with open(options.ours) as file:
            ours = [line for line in map(json.loads, file) if line.get("precision", options.precision) == options.precision]
    else:
        code, ours, error = lines_of_json([options.ours, *flags])
        # What was measured before is worth showing.
        failed = code != 0
        if failed:
            print(f"{options.ours}: exit code {code}: {error[-500:]}\n")
    code, others, error = lines_of_json([sys.executable, PYTORCH, *flags])
    if code != 0:
        reason = (error.splitlines() or ["no output"])[-1]
        print(f"PyTorch: exit code {code}: {reason}\n")
    peak = options.peak or peak_of_device(options)
    theirs = {(line["operation"], line["shape"]): line["milliseconds"] for line in others}

    copy = next((line for line in ours if line["operation"] == "copy"), None)
    if copy is None:
        sys.exit(f"{options.ours}: there is no copy to compare with")
    print(f"{options.device}, {options.precision}; a copy moves {copy['gigabytes_per_second']:.0f} GB/s"
          + (f"; peak {peak:g} TFLOP/s" if peak else "") + "\n")
    print("| operation | shape | ms | GB/s | of copy | TFLOP/s | of peak | PyTorch, ms | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for line in ours:
        if line["operation"] == "copy":
            continue
        teraflops, other = line["teraflops"], theirs.get((line["operation"], line["shape"]))
        print(f"| {line['operation']} | {line['shape']} | {line['milliseconds']:.3f} | {line['gigabytes_per_second']:.0f} "
              f"| {line['share_of_copy']:.2f} | {f'{teraflops:.2f}' if teraflops else '–'} "
              f"| {f'{teraflops / peak:.2f}' if teraflops and peak else '–'} "
              f"| {f'{other:.3f}' if other else '–'} | {f'{other / line_ms:.2f}' if (line_ms := line['milliseconds']) and other else '–'} |",
              flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
