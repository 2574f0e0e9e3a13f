"""Compares the full-size models with timm and PyTorch: ConvNeXt-V2 Nano and SFPNeXt on it, with random weights.

  python3 tests/golden/check_full.py

in a Python that has torch, timm and safetensors (README.md). Writes each model's golden file into a temporary folder
(280 MB in all), and lets //tests/golden:compare_models print the largest relative difference of each stage and
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
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--compare",
        default="./bazelw run //tests/golden:compare_models --",
        help="the command that takes a file, run in the repository's root (default: %(default)s)",
    )
    options = parser.parse_args()

    codes = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (script, *arguments) in GENERATORS.items():
            path = os.path.join(folder, f"{name}.safetensors")
            generator = [sys.executable, os.path.join(HERE, script), *arguments, f"--output={path}"]
            subprocess.run(generator, check=True)
            codes.append(subprocess.run([*shlex.split(options.compare), path], cwd=ROOT).returncode)
            os.remove(path)
    sys.exit(max(codes, key=abs))


if __name__ == "__main__":
    main()
