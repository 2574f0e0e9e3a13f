"""@benchmark: Google Benchmark, for //tests/performance.

Headers, libbenchmark.so and the archive with main() of Debian's package libbenchmark-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

cc_library(
    name = "benchmark",
    hdrs = glob(["include/**/*.h"]),
    includes = ["include"],
    linkopts = [
        "-lbenchmark",
        "-lpthread",
    ],
)

cc_library(
    name = "benchmark_main",
    srcs = ["lib/libbenchmark_main.a"],
    hdrs = glob(["include/**/*.h"]),
    deps = [":benchmark"],
)
"""

def benchmark():
    system_library(
        name = "benchmark",
        apt = "libbenchmark-dev",
        headers = {"benchmark": "benchmark"},
        static_libraries = ["libbenchmark_main.a"],
        shared_libraries = ["libbenchmark.so"],
        build_file_content = _BUILD,
    )
