"""Times the label maps of random images by a network outside this repository: logits, enlarged to the images, best class.

  python3 inference_peers.py --program eager --model nano --size 512 --threads 2
  python3 inference_peers.py --program export --model nano --size 512 --file nano.onnx
  python3 inference_peers.py --program openvino --file nano.onnx --threads 2

`eager` and `compiled` are PyTorch's, channels last, under inference_mode; `onnxruntime` and `openvino` run a file that
`export` wrote, in a process without PyTorch. Prints one line of JSON as pytorch_step.py does. --precision=bfloat16 is
autocast in PyTorch and the hint to OpenVINO; ONNX Runtime has no such mode on CPUs.
"""

import argparse
import json
import statistics
import sys
import time

import pytorch_step
from pytorch_step import peak_memory_mib


def label_maps(name, classes):
    """The network as a module from images [N, 3, H, W] to class indices [N, H, W]."""
    import torch
    from torch.nn import functional

    if name.startswith("deeplabv3_"):
        from torchvision.models import segmentation

        network = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=classes)
    else:
        network = pytorch_step.build(name, classes, False, 0)

    class LabelMaps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            outputs = self.network(images)
            logits = outputs if isinstance(outputs, torch.Tensor) else outputs["out" if "out" in outputs else "logits"]
            if logits.shape[2:] != images.shape[2:]:
                logits = functional.interpolate(logits, images.shape[2:], mode="bilinear", align_corners=False)
            return logits.argmax(1)

    return LabelMaps().eval()


def time_passes(options, run):
    seconds = []
    for _ in range(options.warmup + options.steps):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(seconds[options.warmup :])


def pytorch(options):
    import torch

    memory_before = peak_memory_mib()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = label_maps(options.model, options.classes).to(memory_format=torch.channels_last)
    if options.program == "compiled":
        network = torch.compile(network)
    images = torch.rand(options.batch, 3, options.size, options.size).to(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
        return time_passes(options, lambda: network(images)), memory_before


def export(options):
    import torch

    torch.manual_seed(0)
    images = torch.rand(options.batch, 3, options.size, options.size)
    torch.onnx.export(label_maps(options.model, options.classes), (images,), options.file, dynamo=False, opset_version=17)


def random_images(shape):
    import numpy

    return numpy.random.default_rng(0).random(shape, numpy.float32)


def onnxruntime(options):
    import onnxruntime as runtime

    memory_before = peak_memory_mib()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = runtime.InferenceSession(options.file, settings, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    images = {given.name: random_images(given.shape)}
    return time_passes(options, lambda: session.run(None, images)), memory_before


def openvino(options):
    import openvino as ov

    memory_before = peak_memory_mib()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": options.threads,
        "INFERENCE_PRECISION_HINT": "bf16" if options.precision == "bfloat16" else "f32",
    }
    network = ov.Core().compile_model(options.file, "CPU", settings)
    images = random_images(tuple(network.input(0).shape))
    request = network.create_infer_request()
    return time_passes(options, lambda: request.infer([images])), memory_before


PROGRAMS = {"eager": pytorch, "compiled": pytorch, "onnxruntime": onnxruntime, "openvino": openvino}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, choices=[*PROGRAMS, "export"])
    parser.add_argument("--model", default="nano", help="as for pytorch_step.py, or torchvision's deeplabv3_…")
    parser.add_argument("--file", help="ONNX")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=59)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    if options.program in ("export", "onnxruntime", "openvino") and not options.file:
        parser.error("--file is missing")
    if options.program == "onnxruntime" and options.precision == "bfloat16":
        sys.exit("ONNX Runtime has no bfloat16 mode on CPUs")
    if options.program == "export":
        export(options)
        return
    milliseconds, memory_before = PROGRAMS[options.program](options)
    print(
        json.dumps(
            {
                "program": options.program,
                "precision": options.precision,
                "model": options.model,
                "size": options.size,
                "batch": options.batch,
                "threads": options.threads,
                "milliseconds_per_step": round(milliseconds, 2),
                "peak_memory_mib": peak_memory_mib(),
                "memory_before_mib": memory_before,
            }
        )
    )


if __name__ == "__main__":
    main()
