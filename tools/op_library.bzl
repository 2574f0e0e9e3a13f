"""op_library: one operation from its files, found by name, in any folder.

    x.h             the function and its documentation          optional, with x.cc: other code may call the kernels
    x.cc            check, run, record, return                  optional
    x_kernels.h     declarations of the kernels                 optional: without it, the operation is made of others
    x_cpu.cc        the kernels on the CPU                      required where there are kernels
    x_cuda.cu       the kernels on CUDA                         optional
    x_cuda.cc       calls of CUDA's libraries                   optional
    x_emulated.cc   what stands in for x_cuda.cc in the emulator
    x_test.cc       the contract of the operation               optional
"""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//tools:cuda_library.bzl", "cuda_library", "if_cuda")
load("//tools:emulated_library.bzl", "emulated_library")

_ENGINE = [
    "//autograd/core",
    "//autograd/runtime",
]

_LAUNCH = "//autograd/core:launch_cuda"

def _unique(labels):
    """Each label once, in the order of its first use: lists that several operations share may overlap."""
    return {label: None for label in labels}.keys()

def op_library(
        name,
        hdrs = [],
        kernel_hdrs = [],
        ops = [],
        deps = [],
        function_deps = [],
        cpu_deps = [],
        cuda_deps = [],
        test_ops = [],
        test_deps = [],
        test_size = "small",
        visibility = None):
    """Expands to NAME_kernels, NAME, NAME_cuda (where CUDA is on), NAME_emulated and NAME_test.

    Args:
      name: the operation; depending on this label links its kernels of every backend.
      hdrs: further public headers.
      kernel_hdrs: further headers shared by the backends, such as functors for host and device.
      ops: the operations this one is made of: their functions and their kernels.
      deps: further dependencies of every backend.
      function_deps: further dependencies of the function alone (x.h, x.cc), such as the collective.
      cpu_deps: further dependencies of the CPU kernels.
      cuda_deps: further dependencies of the CUDA kernels.
      test_ops: further operations that the test uses.
      test_deps: further dependencies of the test.
      test_size: the test's size.
      visibility: of the operation.
    """
    kernels = name + "_kernels"
    kernel_header = native.glob([kernels + ".h"])

    # Eigen and oneDNN are the engine's own.
    cpu = ["//autograd/cpu"] if kernel_header and native.package_name().startswith("autograd/") else []
    deps = deps + ops + [op + "_kernels" for op in ops]
    cuda_kernels = native.glob([name + "_cuda.cu"])
    cuda_calls = native.glob([name + "_cuda.cc"])
    cuda_headers = native.glob([name + "_cuda.h"])
    cuda_libraries = [":" + name + "_cuda"] if cuda_kernels else []
    cuda_libraries += [":" + name + "_cuda_calls"] if cuda_calls else []

    cc_library(
        name = kernels,
        hdrs = kernel_header + kernel_hdrs,
        visibility = visibility,
        deps = _ENGINE + deps,
    )
    backend_deps = [":" + kernels] + _ENGINE + deps
    if cuda_kernels:
        cuda_library(
            name = name + "_cuda",
            srcs = cuda_kernels,
            hdrs = cuda_headers,
            visibility = ["//visibility:private"],
            deps = backend_deps + [_LAUNCH, "@local_cuda//:headers"] + ([] if cuda_calls else cuda_deps),
        )
    if cuda_calls:
        cc_library(
            name = name + "_cuda_calls",
            srcs = cuda_calls,
            hdrs = cuda_headers,
            # Only where CUDA is on, through if_cuda below.
            tags = ["manual"],
            visibility = ["//visibility:private"],
            deps = backend_deps + [_LAUNCH, "@local_cuda//:headers"] + cuda_deps,
        )
    emulated_library(
        name = name + "_emulated",
        srcs = cuda_kernels + native.glob([name + "_emulated.cc"]),
        hdrs = cuda_headers,
        visibility = visibility,
        deps = backend_deps + [op + "_emulated" for op in ops] + ([":" + name] if cuda_calls else []),
    )
    cc_library(
        name = name,
        srcs = native.glob([name + ".cc"]) + ([name + "_cpu.cc"] if kernel_header else []),
        hdrs = native.glob([name + ".h"]) + hdrs,
        visibility = visibility,
        deps = _unique([":" + kernels] + cpu + _ENGINE + deps + function_deps + cpu_deps) +
               (if_cuda(cuda_libraries) if cuda_libraries else []),
    )
    if native.glob([name + "_test.cc"]):
        cc_test(
            name = name + "_test",
            size = test_size,
            srcs = [name + "_test.cc"],
            tags = ["cpu"],
            deps = _unique([":" + name, "@googletest//:gtest_main"] + _ENGINE + deps + function_deps + test_ops +
                           test_deps + [op + "_emulated" for op in [":" + name] + test_ops]),
        )
