"""@libpng: libpng, reading and writing PNG pictures and label maps (//data/formats).

Headers and archive of Debian's package libpng-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "png",
    srcs = ["lib/libpng16.a"],
    hdrs = glob(["include/*.h"]),
    includes = ["include"],
    linkopts = ["-lm"],
    visibility = ["//visibility:public"],
    deps = ["@zlib"],
)
"""

def png():
    system_library(
        name = "libpng",
        apt = "libpng-dev",
        headers = {
            "libpng16/png.h": "png.h",
            "libpng16/pngconf.h": "pngconf.h",
            "libpng16/pnglibconf.h": "pnglibconf.h",
        },
        static_libraries = ["libpng16.a"],
        build_file_content = _BUILD,
    )
