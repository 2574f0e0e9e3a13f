"""Times a training step of a network in PyTorch: channels last, cross entropy, fused optimizer; on CPUs in float32, or with
--device=cuda.

  python3 pytorch_step.py --model atto --size 128 --batch 4 --steps 20 --threads 2

prints one line of JSON for each combination of the models, sizes and batches given; each runs in a process
of its own, so that the peak memory is its own:

  {"program": "pytorch", "model": "atto", "size": 128, "batch": 4, "threads": 2, "steps": 20,
   "milliseconds_per_step": 512.3, "images_per_second": 7.81, "peak_memory_mib": 702.4,
   "memory_before_mib": 310.0, "loss": 4.08}

milliseconds_per_step is the median over the steps after the warm-up; peak_memory_mib the highest resident
memory of the process, memory_before_mib what it was once PyTorch was imported (builds with CUDA load far
more than builds without). The models are the references of ../golden at their full width, with random weights, on random
images and labels: SFPNeXt (atto, nano, …), PSPNet (pspnet_resnet50, …) and SegFormer (segformer_mit_b1, …, segformer_mit_b1_mmseg); of
pytorch_latent.py FCN as SSSegmentation has it (fcn_resnet50_sss, …), and latent policies (latent_fcn_resnet50_sss,
latent_segformer_mit_b1_mmseg, …); of pytorch_ciss.py CiSS-Net (ciss_resnet50, …), whose
step is a rollout of --rollout contexts.
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


def build(name, classes, concatenate, auxiliary_weight):
    """The network, whose result is the logits or a dictionary that has them and the auxiliary ones; or that has a rollout_loss."""
    if name.startswith("ciss_"):
        import pytorch_ciss

        return pytorch_ciss.build(name.removeprefix("ciss_"), classes, concatenate)
    if name.startswith("pspnet_"):
        import pspnet

        return pspnet.build(name.removeprefix("pspnet_"), classes)
    if name.startswith("latent_"):
        import pytorch_latent

        return pytorch_latent.build(name.removeprefix("latent_"), classes, auxiliary_weight)
    if name.startswith("fcn_"):
        import pytorch_latent

        return pytorch_latent.FcnHalves(name.removeprefix("fcn_").removesuffix("_sss"), classes, False)
    if name.startswith("segformer_"):
        import segformer

        size = name.removeprefix("segformer_")
        form = "mmseg" if size.endswith("_mmseg") else "hugging_face"
        return segformer.Logits(segformer.build(form, size.removesuffix("_mmseg"), classes))
    import convnextv2
    import sfpnext

    encoder = convnextv2.build(f"convnextv2_{name}")
    return sfpnext.SFPNeXt(encoder, [info["num_chs"] for info in encoder.feature_info], classes)


def measure(model_name, size, batch, options):
    import torch
    from torch.nn import functional

    memory_before = peak_memory_mib()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = options.benchmark
    model = build(model_name, options.classes, options.concatenate, options.auxiliary_weight).to(device, memory_format=torch.channels_last).train()
    by_rollout, by_policy = hasattr(model, "rollout_loss"), hasattr(model, "step_loss")
    if options.auxiliary_weight == 0 and (hasattr(model, "aux_classifier") or hasattr(model, "auxiliary")):
        sys.exit(f"{model_name} has an auxiliary head here: --auxiliary_weight")
    if by_rollout and options.auxiliary_weight:
        sys.exit(f"{model_name} has no auxiliary head: --auxiliary_weight")
    step_model = model
    if options.compile and (by_rollout or by_policy):  # its networks, not the loop
        for part in model.children():
            part.compile()
    elif options.compile:
        step_model = torch.compile(model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if options.optimizer == "adamw":
        optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, fused=True)
    else:
        optimizer = torch.optim.SGD(parameters, lr=1e-2, momentum=0.9, weight_decay=1e-4, fused=True)
    images = torch.randn(batch, 3, size, size).to(device, memory_format=torch.channels_last)
    label = torch.randint(0, options.classes, (batch, size, size)).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bfloat16")

    def entropy(logits):
        resized = functional.interpolate(logits.float(), label.shape[1:], mode="bilinear", align_corners=False)
        return functional.cross_entropy(resized, label, ignore_index=255)

    seconds = []
    for _ in range(options.warmup + options.steps):
        if on_cuda:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            if by_rollout:
                outputs = model.rollout_loss(images, label, options.rollout)
            else:
                outputs = model.step_loss(images, label) if by_policy else step_model(images)
        if by_rollout or by_policy:
            loss = outputs
        elif options.auxiliary_weight:
            loss = entropy(outputs["logits"]) + options.auxiliary_weight * entropy(outputs["auxiliary"])
        else:
            loss = entropy(outputs)
        loss.backward()
        optimizer.step()
        if by_policy:
            model.follow()
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
    parser.add_argument("--model", nargs="+", default=["atto", "nano"], help="atto, nano, …, pspnet_resnet50, …")
    parser.add_argument("--optimizer", default="adamw", choices=["adamw", "sgd"], help="sgd: with momentum 0.9")
    parser.add_argument("--auxiliary_weight", type=float, default=0, help="of the auxiliary head's cross entropy")
    parser.add_argument("--rollout", type=int, default=4, help="T of ciss_… networks")
    parser.add_argument(
        "--concatenate", action="store_true", help="ciss_…: one first convolution over [X, E], not one over each"
    )
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
        f"--optimizer={options.optimizer}",
        f"--auxiliary_weight={options.auxiliary_weight}",
        f"--rollout={options.rollout}",
    ] + ["--concatenate"] * options.concatenate + ["--compile"] * options.compile + ["--benchmark"] * options.benchmark
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
