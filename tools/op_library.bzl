"""op_library: one differentiable operation from its files, found by name.

    x.h             the function and its documentation          required
    x.cc            check, run, record, return                  required
    x_kernels.h     declarations of the kernels                 required
    x_cpu.cc        the kernels on the CPU                      required
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

def op_library(
        name,
        hdrs = [],
        kernel_hdrs = [],
        ops = [],
        deps = [],
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
      cpu_deps: further dependencies of the CPU kernels.
      cuda_deps: further dependencies of the CUDA kernels.
      test_ops: further operations that the test uses.
      test_deps: further dependencies of the test.
      test_size: the test's size.
      visibility: of the operation.
    """
    kernels = name + "_kernels"
    deps = deps + ops + [op + "_kernels" for op in ops]
    cuda_kernels = native.glob([name + "_cuda.cu"])
    cuda_calls = native.glob([name + "_cuda.cc"])
    cuda_headers = native.glob([name + "_cuda.h"])
    cuda_libraries = [":" + name + "_cuda"] if cuda_kernels else []
    cuda_libraries += [":" + name + "_cuda_calls"] if cuda_calls else []

    cc_library(
        name = kernels,
        hdrs = [kernels + ".h"] + kernel_hdrs,
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
        srcs = [name + ".cc", name + "_cpu.cc"],
        hdrs = [name + ".h"] + hdrs,
        visibility = visibility,
        deps = [":" + kernels, "//autograd/cpu"] + _ENGINE + deps + cpu_deps +
               (if_cuda(cuda_libraries) if cuda_libraries else []),
    )
    if native.glob([name + "_test.cc"]):
        cc_test(
            name = name + "_test",
            size = test_size,
            srcs = [name + "_test.cc"],
            tags = ["cpu"],
            deps = [":" + name, "@googletest//:gtest_main"] + _ENGINE + deps + test_ops + test_deps +
                   [op + "_emulated" for op in [":" + name] + test_ops],
        )
