"""Times `predict` from JPEG files to PNG files beside mmsegmentation doing the same with a SegFormer-B1, in turns.

  python3 compare_predict.py --ours path/to/predict --checkpoint RUN/weights.safetensors --classes K
      [--images 24] [--height 512 --width 683] [--threads 2] [--rounds 3]

The checkpoint is one of segformer_mit_b1_mmseg with K classes; mmsegmentation builds its own configuration of that
network with K classes and random weights. Needs mmsegmentation, mmengine and mmcv or mmcv-lite (no operation of mmcv's
that has to be compiled is used).

Both read the files one by one and write a label map for each. Ours writes an overlay too; mmsegmentation is timed
without ("maps": mmseg.apis.inference_model and Pillow) and with ("maps and overlays": its show_result_pyplot, as its
demo does). A program runs over half of the images and over all of them: the difference is the time of half of them,
without what starting costs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

PROGRAMS = ["ours", "maps", "maps and overlays"]


def write_images(folder, count, height, width):
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(0)
    os.makedirs(folder)
    for i in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=numpy.uint8))
        noise = random.integers(-8, 9, (height, width, 3))
        smooth = numpy.asarray(coarse.resize((width, height), Image.BICUBIC)).astype(int)
        pixels = numpy.clip(smooth + noise, 0, 255).astype(numpy.uint8)
        Image.fromarray(pixels).save(os.path.join(folder, f"{i:03}.jpg"), quality=90)


def without_compiled_operations():
    """mmcv-lite has no mmcv.ops, which mmsegmentation imports for networks that are not used here."""
    try:
        import mmcv.ops  # noqa: F401
    except ImportError:
        def attribute(name):
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        stand_in = types.ModuleType("mmcv.ops")
        stand_in.__getattr__, stand_in.__path__ = attribute, []
        sys.modules["mmcv.ops"] = stand_in


def run_peer(options):
    import torch

    torch.set_num_threads(options.threads)
    without_compiled_operations()
    import mmseg
    import numpy
    from mmengine import Config
    from mmseg.apis import inference_model, init_model, show_result_pyplot
    from PIL import Image

    configurations = os.path.join(os.path.dirname(mmseg.__file__), ".mim", "configs", "segformer")
    configuration = Config.fromfile(os.path.join(configurations, "segformer_mit-b1_8xb2-160k_ade20k-512x512.py"))
    configuration.model.backbone.init_cfg = None
    configuration.model.decode_head.num_classes = options.classes
    model = init_model(configuration, None, device="cpu")
    palette = [[i * 37 % 256, i * 91 % 256, i * 173 % 256] for i in range(options.classes)]
    model.dataset_meta = {"classes": [str(i) for i in range(options.classes)], "palette": palette}
    files = [os.path.join(options.input, name) for name in sorted(os.listdir(options.input))]
    for file in files:
        result = inference_model(model, file)
        labels = result.pred_sem_seg.data[0].numpy().astype(numpy.uint8)
        stem = os.path.join(options.output, os.path.basename(file)[:-4])
        Image.fromarray(labels).save(f"{stem}.png")
        if options.peer == "maps and overlays":
            show_result_pyplot(model, file, result, opacity=0.6, draw_gt=False, show=False, out_file=f"{stem}_overlay.png")


def seconds(options, program, images, folder):
    output = os.path.join(folder, "output")
    subprocess.run(["rm", "-rf", output], check=True)
    os.makedirs(output)
    if program == "ours":
        command = [options.ours, f"--checkpoint={options.checkpoint}", f"--input={images}", f"--output={output}",
                   f"--threads={options.threads}"]
    else:
        command = [sys.executable, os.path.abspath(__file__), "--peer", program, "--input", images, "--output", output,
                   "--classes", str(options.classes), "--threads", str(options.threads)]
    start = time.monotonic()
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    elapsed = time.monotonic() - start
    written = sum(len(files) for _, _, files in os.walk(output))
    if result.returncode != 0 or written < len(os.listdir(images)):
        sys.exit(f"{program}: exit {result.returncode}, {written} files written\n{result.stdout[-2000:]}")
    return elapsed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", help="the binary")
    parser.add_argument("--checkpoint")
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=683)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", choices=PROGRAMS[1:], help=argparse.SUPPRESS)
    parser.add_argument("--input", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return run_peer(options)
    if not options.ours or not options.checkpoint:
        parser.error("--ours and --checkpoint are needed")

    with tempfile.TemporaryDirectory() as folder:
        half, all_images = os.path.join(folder, "half"), os.path.join(folder, "all")
        write_images(half, options.images // 2, options.height, options.width)
        write_images(all_images, options.images // 2 * 2, options.height, options.width)
        times = {program: [] for program in PROGRAMS}
        for _ in range(options.rounds):
            for program in PROGRAMS:
                difference = seconds(options, program, all_images, folder) - seconds(options, program, half, folder)
                times[program].append(difference / (options.images // 2))
        ours = statistics.median(times["ours"])
        for program in PROGRAMS:
            each = statistics.median(times[program])
            print(json.dumps({"program": program, "images_per_second": round(1 / each, 2),
                              "milliseconds_an_image": round(1e3 * each, 1), "ratio": round(each / ours, 2)}))


if __name__ == "__main__":
    main()
