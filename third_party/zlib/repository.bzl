"""@zlib: zlib, compressed MAT files, PNG and report pictures.

Headers and archive of Debian's package zlib1g-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "zlib",
    srcs = ["lib/libz.a"],
    hdrs = glob(["include/*.h"]),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def zlib():
    system_library(
        name = "zlib",
        apt = "zlib1g-dev",
        headers = {
            "zlib.h": "zlib.h",
            "zconf.h": "zconf.h",
        },
        static_libraries = ["libz.a"],
        build_file_content = _BUILD,
    )
