"""@onednn: oneDNN, convolutions and matrix products on the CPU (//autograd/cpu and *_cpu.cc only).

Headers and libdnnl.so of Debian's package libdnnl-dev; Debian has no archive of it.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "onednn",
    hdrs = glob(["include/**"]),
    includes = ["include"],
    linkopts = ["-ldnnl"],
    visibility = ["//visibility:public"],
)
"""

def onednn():
    system_library(
        name = "onednn",
        apt = "libdnnl-dev",
        headers = {header: header for header in [
            "oneapi",
            "dnnl.h",
            "dnnl.hpp",
            "dnnl_config.h",
            "dnnl_debug.h",
            "dnnl_threadpool.h",
            "dnnl_threadpool.hpp",
            "dnnl_threadpool_iface.hpp",
            "dnnl_types.h",
            "dnnl_version.h",
        ]},
        shared_libraries = ["libdnnl.so"],
        build_file_content = _BUILD,
    )
