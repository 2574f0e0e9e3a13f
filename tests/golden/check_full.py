"""Compares full-size models with timm, torchvision, transformers and PyTorch, with random weights: GENERATORS below.

  python3 tests/golden/check_full.py

in a Python that has torch, torchvision, timm, transformers and safetensors (README.md). Writes each model's golden file (up to 2.4 GB) into
a temporary folder, and lets //tests/golden:compare_models print the largest relative difference of each stage and
of the gradients. Exits with 1 where one is above 1e-4.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

TRANSFORMER = ["--batch=1", "--taps", "5", "11", "--odd-size"]
RESNET = ["--away-from-kinks"]
SEGFORMER = ["--away-from-kinks", "--classes=150", "--size", "97", "129"]
GENERATORS = {
    "convnextv2_nano": ["convnextv2.py", "--model=convnextv2_nano", "--height=224", "--width=224"],
    "sfpnext_nano": [
        "sfpnext.py",
        "--model=convnextv2_nano",
        "--width=256",
        "--pyramid-width=128",
        "--key-width=64",
        "--classes=59",
        "--image-height=128",
        "--image-width=128",
    ],
    "resnet50": ["resnet.py", *RESNET, "--model=resnet50", "--output-stride=32", "--image-height=129", "--image-width=97"],
    "resnet101": ["resnet.py", *RESNET, "--model=resnet101", "--image-height=65", "--image-width=97"],
    "deeplabv3_resnet101": [
        "deeplabv3.py",
        *RESNET,
        "--model=deeplabv3_resnet101",
        "--classes=21",
        "--image-height=65",
        "--image-width=97",
    ],
    "pspnet_resnet50": [
        "pspnet.py",
        *RESNET,
        "--model=resnet50_v1c",
        "--classes=21",
        "--image-height=65",
        "--image-width=97",
    ],
    "pspnet_resnet50_semseg": [
        "pspnet.py",
        *RESNET,
        "--model=resnet50_semseg",
        "--classes=21",
        "--image-height=65",
        "--image-width=97",
    ],
    "fcn_resnet50_sss": [
        "fcn.py",
        *RESNET,
        "--model=resnet50",
        "--classes=21",
        "--image-height=65",
        "--image-width=97",
    ],
    "semantic_fpn_resnet50": [
        "semantic_fpn.py",
        *RESNET,
        "--model=resnet50",
        "--width=256",
        "--pyramid-width=128",
        "--classes=59",
        "--image-height=129",
        "--image-width=97",
    ],
    "vit_base_patch16_224": ["vit.py", "--model=vit_base_patch16_224", *TRANSFORMER, "--size", "224", "224"],
    "vit_large_patch16_224": ["vit.py", "--model=vit_large_patch16_224", *TRANSFORMER, "--size", "224", "224"],
    "setr_vit_large_patch16": [
        "setr.py",
        *RESNET,
        "--model=vit_large_patch16_224",
        "--taps",
        "9",
        "14",
        "19",
        "--classes=21",
        "--width=256",
        "--scale=4",
        "--batch=2",
        "--size",
        "64",
        "80",
        "--odd-size",
    ],
    "segformer_mit_b0": ["segformer.py", *SEGFORMER, "--model=mit_b0"],
    "segformer_mit_b1": ["segformer.py", *SEGFORMER, "--model=mit_b1"],
    "segformer_mit_b1_nvidia": ["segformer.py", *SEGFORMER, "--model=mit_b1", "--form=nvidia"],
    "segformer_mit_b1_mmseg": ["segformer.py", *SEGFORMER, "--model=mit_b1", "--form=mmseg"],
    "segformer_mit_b3": ["segformer.py", *SEGFORMER, "--model=mit_b3"],
    "segformer_mit_b3_mmseg": ["segformer.py", *SEGFORMER, "--model=mit_b3", "--form=mmseg"],
    # Four tokens a side where 32 are learned.
    "eva02_large_patch14_448": ["eva02.py", "--model=eva02_large_patch14_448", *TRANSFORMER, "--size", "56", "56"],
}

# Compared in float64: in float32 rounding moves some of their gradients by more than the tolerance, in PyTorch as here (README.md).
IN_FLOAT64 = {"pspnet_resnet50", "pspnet_resnet50_semseg"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--compare",
        default="./bazelw run //tests/golden:compare_models --",
        help="the command that takes a file, run in the repository's root (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="*", choices=GENERATORS, help="some of the models")
    options = parser.parse_args()

    codes = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or GENERATORS:
            script, *arguments = GENERATORS[name]
            path = os.path.join(folder, f"{name}.safetensors")
            generator = [sys.executable, os.path.join(HERE, script), *arguments, f"--output={path}"]
            subprocess.run(generator, check=True)
            arithmetic = ["--float64"] if name in IN_FLOAT64 else []
            codes.append(subprocess.run([*shlex.split(options.compare), *arithmetic, path], cwd=ROOT).returncode)
            os.remove(path)
    sys.exit(max(codes, key=abs))


if __name__ == "__main__":
    main()
