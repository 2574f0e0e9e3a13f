"""Times a training step of SFPNeXt in PyTorch: channels last, cross entropy, fused AdamW; on CPUs in float32, or with --device=cuda.

  python3 pytorch_step.py --model atto --size 128 --batch 4 --steps 20 --threads 2

prints one line of JSON for each combination of the models, sizes and batches given; each runs in a process
of its own, so that the peak memory is its own:

  {"program": "pytorch", "model": "atto", "size": 128, "batch": 4, "threads": 2, "steps": 20,
   "milliseconds_per_step": 512.3, "images_per_second": 7.81, "peak_memory_mib": 702.4,
   "memory_before_mib": 310.0, "loss": 4.08}

milliseconds_per_step is the median over the steps after the warm-up; peak_memory_mib the highest resident
memory of the process, memory_before_mib what it was once PyTorch was imported (builds with CUDA load far
more than builds without). The model is the reference of ../golden/sfpnext.py at its full width, with random
weights, on random images and labels.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))


def peak_memory_mib():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def measure(model_name, size, batch, options):
    import torch

    import convnextv2
    import sfpnext

    memory_before = peak_memory_mib()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    encoder = convnextv2.build(f"convnextv2_{model_name}")
    channels = [info["num_chs"] for info in encoder.feature_info]
    device = torch.device(options.device)
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = options.benchmark
    model = sfpnext.SFPNeXt(encoder, channels, options.classes).to(device, memory_format=torch.channels_last).train()
    step_model = torch.compile(model) if options.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    images = torch.randn(batch, 3, size, size).to(device, memory_format=torch.channels_last)
    label = torch.randint(0, options.classes, (batch, size, size)).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bfloat16")

    seconds = []
    for _ in range(options.warmup + options.steps):
        if on_cuda:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = step_model(images)
        loss = sfpnext.loss_of(logits.float(), label)
        loss.backward()
        optimizer.step()
        if on_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    median = statistics.median(seconds[options.warmup :])
    return {
        "program": "pytorch compiled" if options.compile else "pytorch",
        "device": options.device,
        "precision": options.precision,
        "model": model_name,
        "size": size,
        "batch": batch,
        "threads": options.threads,
        "steps": options.steps,
        "milliseconds_per_step": round(1e3 * median, 2),
        "images_per_second": round(batch / median, 3),
        "peak_memory_mib": peak_memory_mib(),
        "memory_before_mib": memory_before,
        "arrays_peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1) if on_cuda else None,
        "loss": round(loss.item(), 4),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["atto", "nano"], help="atto, femto, pico, nano, tiny")
    parser.add_argument(
        "--size", nargs="+", type=int, default=[128, 256], help="height and width of the crops"
    )
    parser.add_argument("--batch", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--classes", type=int, default=59)
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--benchmark", action="store_true", help="on CUDA, let cuDNN time its algorithms")
    options = parser.parse_args()

    combinations = list(itertools.product(options.model, options.size, options.batch))
    if len(combinations) == 1:
        print(json.dumps(measure(*combinations[0], options)), flush=True)
        return
    shared = [
        f"--steps={options.steps}",
        f"--warmup={options.warmup}",
        f"--threads={options.threads}",
        f"--classes={options.classes}",
        f"--device={options.device}",
        f"--precision={options.precision}",
    ] + ["--compile"] * options.compile + ["--benchmark"] * options.benchmark
    for model, size, batch in combinations:
        subprocess.run(
            [
                sys.executable,
                os.path.abspath(__file__),
                f"--model={model}",
                f"--size={size}",
                f"--batch={batch}",
                *shared,
            ],
            check=True,
        )


if __name__ == "__main__":
    main()
