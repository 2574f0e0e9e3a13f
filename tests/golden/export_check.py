"""Loads weights that this project saved into timm's, torchvision's, transformers' and PyTorch's models, and compares what they compute.

  python3 tests/golden/export_check.py

in a Python that has torch, torchvision, timm, transformers and safetensors (README.md). For each model, its generator writes a golden file into
a temporary folder; `//tests/golden:compare_models --save` makes a network of the same shapes with initial values of its own and
running statistics of a training pass, and saves its weights and its outputs for the file's input; the weights are loaded
with all names required and no others. Exits with 1 where an output differs by more than 1e-4 of its largest entry.

A further model is one more entry of MODELS.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile

import timm
import torch
import torchvision
import transformers
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import convnextv2  # noqa: E402
import deeplabv3  # noqa: E402
import eva02  # noqa: E402
import fcn  # noqa: E402
import pspnet  # noqa: E402
import resnet  # noqa: E402
import segformer  # noqa: E402
import segmenter  # noqa: E402
import semantic_fpn  # noqa: E402
import setr  # noqa: E402
import sfpnext  # noqa: E402
import vit  # noqa: E402

TOLERANCE = 1e-4


def stages_by(function):
    return lambda network, images: {f"stage{s}": stage for s, stage in enumerate(function(network, images))}


def without(name, network):
    setattr(network, name, torch.nn.Identity())
    return network


def sfpnext_atto():
    encoder = convnextv2.build("convnextv2_atto")
    return sfpnext.SFPNeXt(encoder, [info["num_chs"] for info in encoder.feature_info], 5, 16, 8, 4)


def segmentation(name):
    return lambda: getattr(torchvision.models.segmentation, name)(
        weights=None, weights_backbone=None, num_classes=4, aux_loss=True
    )


def semantic_fpn_resnet50():
    return semantic_fpn.SemanticFpn(without("fc", torchvision.models.resnet50(weights=None)), 4, 8, 5, 1e-3, 0.1)


def segmenter_tiny():
    encoder = vit.build("vit_tiny_patch16_224")
    return segmenter.Segmenter(encoder, segmenter.MaskTransformer(encoder.embed_dim, 5, 10, 2, 2))


def taps_and_map(network, images):
    return vit.outputs(network, images, [0, 1])


def logits_and_auxiliary(forward):
    def run(network, images):
        outputs = forward(network, images)
        return {name: outputs[name] for name in ("logits", "auxiliary")}

    return run


def setr_logits(network, images):
    return {name: value for name, value in network(images).items() if not name.startswith("tap")}


# Name: the generator, whose file says the shapes and the input; the public model; what it makes of an input, as compare_models --save
# names it.
MODELS = {
    "convnextv2_atto": (
        ["convnextv2.py", "--model=convnextv2_atto", "--height=64", "--width=96"],
        lambda: without("head", timm.create_model("convnextv2_atto", pretrained=False)),
        stages_by(convnextv2.stages),
    ),
    "sfpnext_atto": (
        ["sfpnext.py", "--model=convnextv2_atto"],
        sfpnext_atto,
        lambda network, images: {"logits": network(images)},
    ),
    "resnet50": (
        ["resnet.py", "--model=resnet50", "--output-stride=32", "--image-height=65", "--image-width=97"],
        lambda: without("fc", torchvision.models.resnet50(weights=None)),
        stages_by(resnet.stages),
    ),
    "deeplabv3_resnet50": (
        ["deeplabv3.py", "--model=deeplabv3_resnet50", "--image-height=65", "--image-width=65"],
        segmentation("deeplabv3_resnet50"),
        logits_and_auxiliary(deeplabv3.forward),
    ),
    "fcn_resnet50": (
        ["deeplabv3.py", "--model=fcn_resnet50", "--image-height=65", "--image-width=65"],
        segmentation("fcn_resnet50"),
        logits_and_auxiliary(deeplabv3.forward),
    ),
    "fcn_resnet50_sss": (
        ["fcn.py", "--model=resnet50", "--image-height=65", "--image-width=65"],
        lambda: fcn.build("resnet50", 4),
        logits_and_auxiliary(fcn.forward),
    ),
    "pspnet_resnet50": (
        ["pspnet.py", "--model=resnet50", "--image-height=65", "--image-width=65"],
        lambda: pspnet.build("resnet50", 4),
        logits_and_auxiliary(pspnet.forward),
    ),
    "semantic_fpn_resnet50": (
        ["semantic_fpn.py", "--model=resnet50", "--image-height=65", "--image-width=97"],
        semantic_fpn_resnet50,
        lambda network, images: {"logits": network(images)},
    ),
    "vit_tiny_patch16_224": (
        ["vit.py", "--model=vit_tiny_patch16_224", "--size", "64", "90", "--odd-size"],
        lambda: vit.build("vit_tiny_patch16_224"),
        taps_and_map,
    ),
    "eva02_micro": (
        ["eva02.py", "--size", "20", "33", "--taps", "0", "1"],
        lambda: eva02.build("micro"),
        taps_and_map,
    ),
    **{
        f"segformer_mit_b0_{form}": (
            ["segformer.py", "--model=mit_b0", f"--form={form}", "--size", "65", "97"],
            lambda form=form: segformer.build(form, "mit_b0", 4),
            lambda network, images: {"logits": segformer.outputs(network, images)[1]},
        )
        for form in ("hugging_face", "mmseg")
    },
    "segmenter_tiny": (
        ["segmenter.py", "--model=vit_tiny_patch16_224", "--size", "64", "90", "--odd-size"],
        segmenter_tiny,
        lambda network, images: {"logits": network(images)},
    ),
    "setr_tiny": (
        ["setr.py", "--model=vit_tiny_patch16_224", "--size", "64", "90", "--odd-size"],
        lambda: setr.build("vit_tiny_patch16_224", 5, 6, [0, 1, 2], 2, 3, 2, False),
        setr_logits,
    ),
}


def load(network, weights):
    """The network with all of the weights, by the names of its package's files."""
    if isinstance(network, transformers.PreTrainedModel):
        return segformer.from_transformers_files(network, weights)
    network.load_state_dict(weights, strict=True)
    return network


def check(name, compare, folder):
    (script, *arguments), build, run = MODELS[name]
    path = os.path.join(folder, "golden.safetensors")
    generator = [sys.executable, os.path.join(HERE, script), *arguments, f"--output={path}"]
    subprocess.run(generator, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*shlex.split(compare), "--save", folder, path], cwd=ROOT, check=True)

    weights = load_file(os.path.join(folder, "weights.safetensors"))
    expected = load_file(os.path.join(folder, "outputs.safetensors"))
    images = load_file(path)["input"]
    network = load(build(), weights).double().eval()
    with torch.no_grad():
        actual = run(network, images.double())
    assert set(actual) == set(expected), f"{name}: {sorted(actual)} here, {sorted(expected)} there"
    passed = True
    for output, values in actual.items():
        ours = expected[output].double().permute(0, 3, 1, 2)  # [N, H, W, C] there
        difference = float("inf")
        if values.shape == ours.shape:
            difference = float((values - ours).abs().max() / values.abs().max())
        passed = passed and difference <= TOLERANCE
        verdict = "" if difference <= TOLERANCE else "  ABOVE THE TOLERANCE"
        print(f"  {name}: {len(weights)} tensors loaded, {output} {difference:.1e}{verdict}")
    return passed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--compare",
        default="./bazelw run //tests/golden:compare_models --",
        help="the command that takes a file, run in the repository's root (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="*", choices=MODELS, help="some of the models")
    options = parser.parse_args()

    passed = True
    for name in options.only or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            passed = check(name, options.compare, folder) and passed
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
