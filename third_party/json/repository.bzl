"""@nlohmann_json: JSON for Modern C++, the headers of safetensors, annotation files and reports.

Headers of Debian's package nlohmann-json3-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "json",
    hdrs = glob(["include/**/*.hpp"]),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def json():
    system_library(
        name = "nlohmann_json",
        apt = "nlohmann-json3-dev",
        headers = {"nlohmann": "nlohmann"},
        build_file_content = _BUILD,
    )
