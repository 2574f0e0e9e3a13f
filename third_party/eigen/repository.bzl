"""@eigen: Eigen 3.4, maps and reductions of the CPU kernels (//autograd/cpu and *_cpu.cc only).

Headers of Debian's package libeigen3-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

# Eigen's own OpenMP threads stay off: the engine has its pool. MPL2 only: no LGPL parts.
cc_library(
    name = "eigen",
    hdrs = glob(["include/**"]),
    defines = [
        "EIGEN_DONT_PARALLELIZE",
        "EIGEN_MPL2_ONLY",
    ],
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def eigen():
    system_library(
        name = "eigen",
        apt = "libeigen3-dev",
        headers = {
            "eigen3/Eigen": "Eigen",
            "eigen3/unsupported": "unsupported",
        },
        build_file_content = _BUILD,
    )
