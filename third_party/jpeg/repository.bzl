"""@libjpeg: libjpeg-turbo, reading and writing JPEG pictures (//data/formats).

Headers and archive of Debian's package libjpeg-dev.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "jpeg",
    srcs = ["lib/libjpeg.a"],
    hdrs = glob(["include/*.h"]),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def jpeg():
    system_library(
        name = "libjpeg",
        apt = "libjpeg-dev",
        headers = {header: header for header in ["jpeglib.h", "jmorecfg.h", "jerror.h", "jconfig.h"]},
        static_libraries = ["libjpeg.a"],
        build_file_content = _BUILD,
    )
