"""emulated_library: a CUDA source compiled as C++ for the emulator of autograd/testing/emulator."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def emulated_library(name, src, deps = [], visibility = None):
    """Makes the kernels of `src` known to the emulated device of every test that links this.

    Args:
      name: the target.
      src: NAME_cuda.cu, whose kernels then run thread by thread; or, where those call a library of CUDA, NAME_emulated.cc, a
        stand-in that computes the same on the CPU.
      deps: what the source includes, and the emulated libraries of the kernels that it calls.
      visibility: of the target.
    """
    source = src
    if src.endswith(".cu"):
        native.genrule(
            name = name + "_source",
            outs = [name + "_source.cc"],
            cmd = "echo '#include \"%s/%s\"' > $@" % (native.package_name(), src),
        )
        source = ":%s_source" % name
    cc_library(
        name = name,
        testonly = True,
        srcs = [source],
        # The namespace autograd::cuda gets another name, so that one program can hold what nvcc made of the same source.
        # The emulator's <cuda_runtime.h> comes before a toolkit's.
        copts = ["-DCUDA_EMULATOR", "-Dcuda=cuda_emulated", "-Iautograd/testing/emulator/include"],
        textual_hdrs = [src] if src.endswith(".cu") else [],
        visibility = visibility,
        deps = deps + ["//autograd/core:launch_cuda", "//autograd/testing/emulator"],
        alwayslink = True,
    )
