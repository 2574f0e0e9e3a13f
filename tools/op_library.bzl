"""op_library: one differentiable operation from its files, found by name.

    x.h          the function and its documentation          required
    x.cc         check, run, record, return                  required
    x_kernels.h  declarations of the kernels                 required
    x_cpu.cc     the kernels on the CPU                      required
    x_cuda.cu    the kernels on CUDA                         optional
    x_test.cc    the contract of the operation               optional
"""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//tools:cuda_library.bzl", "cuda_library", "if_cuda")

_ENGINE = [
    "//autograd/core",
    "//autograd/runtime",
]

def op_library(
        name,
        hdrs = [],
        kernel_hdrs = [],
        deps = [],
        cpu_deps = [],
        cuda_deps = [],
        test_deps = [],
        test_size = "small",
        has_cuda = True,
        visibility = None):
    """Expands to NAME_kernels, NAME, NAME_cuda (where CUDA is on) and NAME_test.

    Args:
      name: the operation; depending on this label links its kernels of every backend.
      hdrs: further public headers.
      kernel_hdrs: further headers shared by the backends, such as functors for host and device.
      deps: further dependencies of every backend.
      cpu_deps: further dependencies of the CPU kernels.
      cuda_deps: further dependencies of the CUDA kernels.
      test_deps: further dependencies of the test.
      test_size: the test's size.
      has_cuda: False leaves NAME_cuda.cu out.
      visibility: of the operation.
    """
    kernels = name + "_kernels"
    cuda_sources = native.glob([name + "_cuda.cu"]) if has_cuda else []

    cc_library(
        name = kernels,
        hdrs = [kernels + ".h"] + kernel_hdrs,
        visibility = ["//visibility:private"],
        deps = _ENGINE + deps,
    )
    if cuda_sources:
        cuda_library(
            name = name + "_cuda",
            srcs = cuda_sources,
            visibility = ["//visibility:private"],
            deps = [":" + kernels, "@local_cuda//:headers"] + _ENGINE + deps + cuda_deps,
        )
    cc_library(
        name = name,
        srcs = [name + ".cc", name + "_cpu.cc"],
        hdrs = [name + ".h"] + hdrs,
        visibility = visibility,
        deps = [":" + kernels, "//autograd/cpu"] + _ENGINE + deps + cpu_deps +
               (if_cuda([":%s_cuda" % name]) if cuda_sources else []),
    )
    if native.glob([name + "_test.cc"]):
        cc_test(
            name = name + "_test",
            size = test_size,
            srcs = [name + "_test.cc"],
            tags = ["cpu"],
            deps = [":" + name, "@googletest//:gtest_main"] + _ENGINE + deps + test_deps,
        )
