#!/usr/bin/env python3
"""Enforces the directions in which the folders of this repository may include and depend on each other.

Reads every `#include` of every C++ and CUDA source, and every label of every BUILD file. What is not listed here is
forbidden. Run by hand:  tools/layering.py
"""

import os
import re
import sys

# Top folder -> the folders its files may include. A folder stands for everything below it.
DIRECTIONS = {
    "autograd": ["autograd"],
    "autograd/examples": ["autograd", "nn"],  # what a user links
    "nn": ["nn", "autograd"],
    "rl": ["rl", "nn", "autograd"],
    "seg": ["seg", "nn", "autograd"],
    "data": ["data", "autograd/core", "autograd/runtime"],
    "experiments": ["experiments", "seg", "rl", "data", "nn", "autograd"],
    "tests": ["tests", "experiments", "seg", "rl", "data", "nn", "autograd", "tools"],
    "tools": ["tools"],
}

# The same between the engine's own folders, for everything but tests. Sources in autograd/ itself, and in folders
# that are not listed, may include all of the engine.
ENGINE = {
    "runtime": ["runtime"],
    "core": ["core", "runtime"],
    "cpu": ["cpu", "core", "runtime"],
    "cuda": ["cuda", "core", "runtime"],
    "collective": ["collective", "cuda", "core", "runtime"],
    "device": ["device", "cuda", "cpu", "core", "runtime"],
    "ops": ["ops", "core", "runtime"],
}

CPU_SOURCE = re.compile(r"^autograd/cpu/|_cpu\.(cc|h)$")
CUDA_SOURCE = re.compile(r"^autograd/(cuda|collective|testing/emulator)/|_cuda\.(cu|cc|h)$")

# (header, sources that may include it, what to say)
HEADERS = [
    (re.compile(r"^(unsupported/)?Eigen/"), CPU_SOURCE, "Eigen belongs to autograd/cpu and *_cpu.cc"),
    (re.compile(r"^(oneapi/)?dnnl"), CPU_SOURCE, "oneDNN belongs to autograd/cpu and *_cpu.cc"),
    (
        re.compile(
            r"^(cuda|cublas|cudnn|nccl|curand|cusparse|cusolver|cufft|nvrtc|nvtx3/|cub/|thrust/|cooperative_groups|"
            r"mma\.h|device_launch_parameters|vector_types\.h|vector_functions\.h)"
        ),
        CUDA_SOURCE,
        "CUDA belongs to autograd/cuda, autograd/collective and *_cuda.cu",
    ),
    (re.compile(r"^mpi\.h$"), re.compile(r"^(autograd/collective/|tools/)"), "MPI belongs to autograd/collective"),
    (
        re.compile(r"^(absl/synchronization/|omp\.h$)"),
        re.compile(r"(?!)"),
        "own locks and threads: std::mutex and the engine's pool (the thread sanitizer cannot see into this one)",
    ),
]

# (label, folders whose BUILD files may name it)
EXTERNAL_LABELS = [
    ("@eigen//", ["autograd", "nn", "rl", "seg", "third_party"]),
    ("@onednn//", ["autograd", "nn", "rl", "seg", "third_party"]),
    ("@local_cuda//", ["autograd", "nn", "rl", "seg", "third_party"]),
    ("@openmpi//", ["autograd/collective", "third_party", "tools"]),
]

SOURCE_SUFFIXES = (".h", ".cc", ".cu", ".cuh")
BUILD_NAMES = ("BUILD", "BUILD.bazel")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
LABEL = re.compile(r'"((?:@[A-Za-z0-9_]*)?//[^"]*)"')
LABEL_OF_VISIBILITY = re.compile(r"^//visibility:|:__pkg__$|:__subpackages__$")
TEST_SOURCE = re.compile(r"(^|/)testing/|_(test|benchmark|emulated)\.(cc|cu)$")


def within(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def direction_error(source, target):
    """Why a file at `source` may not use the file or package `target`, or None."""
    top = "/".join(source.split("/")[:2])
    if top not in DIRECTIONS:
        top = source.split("/")[0]
    target_top = target.split("/")[0]
    if top not in DIRECTIONS or target_top not in DIRECTIONS:
        return None
    if not within(target, DIRECTIONS[top]):
        return "%s may use only %s" % (top, ", ".join(DIRECTIONS[top]))
    return None


def engine_error(source, target):
    """The same between the folders of the engine, for an include."""
    parts, target_parts = source.split("/"), target.split("/")
    if parts[0] != "autograd" or target_parts[0] != "autograd" or len(parts) < 3 or TEST_SOURCE.search(source):
        return None
    if parts[1] not in ENGINE:
        return None
    allowed = list(ENGINE[parts[1]])
    if CPU_SOURCE.search(source):
        allowed.append("cpu")
    if CUDA_SOURCE.search(source):
        allowed.append("cuda")
    if len(target_parts) < 3 or target_parts[1] not in allowed:
        return "autograd/%s may use only %s of autograd" % (parts[1], ", ".join(allowed))
    return None


def check_source(path, lines):
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        errors = [direction_error(path, header), engine_error(path, header)]
        errors += [message for pattern, place, message in HEADERS if pattern.match(header) and not place.search(path)]
        for error in errors:
            if error:
                yield "%s:%d: includes %s: %s" % (path, number, header, error)


def check_build_file(path, lines):
    folder = os.path.dirname(path)
    for number, line in enumerate(lines, 1):
        code = line.split("#")[0]
        if code.startswith("load("):
            continue
        for label in LABEL.findall(code):
            if LABEL_OF_VISIBILITY.search(label):
                continue
            error = None
            if label.startswith("//"):
                error = direction_error(folder + "/BUILD", label[2:].split(":")[0])
                # The build vocabulary's own targets serve every folder.
                if error and within(label[2:].split(":")[0], ["tools"]):
                    error = None
            for prefix, folders in EXTERNAL_LABELS:
                if label.startswith(prefix) and not within(folder, folders):
                    error = "only %s may use %s" % (", ".join(folders), prefix[:-2])
            if error:
                yield "%s:%d: names %s: %s" % (path, number, label, error)


def check_tree(root):
    """Every violation below `root` as a line of text, in the order of paths; and the number of files read."""
    violations, count = [], 0
    for top in sorted(DIRECTIONS):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), root)
                check = check_source if name.endswith(SOURCE_SUFFIXES) else check_build_file
                if check is check_build_file and name not in BUILD_NAMES:
                    continue
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    violations += check(path, file)
                count += 1
    return violations, count


def main():
    # Under `bazel test` this file and WORKSPACE are links to the real ones, beside which the whole tree lies.
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if not os.path.exists(os.path.join(root, "WORKSPACE")):
        sys.exit("layering: %s is not the root of the workspace" % root)
    violations, count = check_tree(root)
    for violation in violations:
        print(violation)
    print("layering: %d files, %d violations" % (count, len(violations)))
    sys.exit(1 if violations or not count else 0)


if __name__ == "__main__":
    main()
