"""emulated_library: a CUDA source compiled as C++ for the emulator of autograd/testing/emulator."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def emulated_library(name, srcs, hdrs = [], deps = [], visibility = None):
    """Makes the kernels of `srcs` known to the emulated device of every test that links this.

    Args:
      name: the target.
      srcs: NAME_cuda.cu, whose kernels then run thread by thread; NAME_emulated.cc, a stand-in on the CPU for what calls a library
        of CUDA. May be empty.
      hdrs: headers of these sources alone.
      deps: what the sources include, and the emulated libraries of the kernels that they call.
      visibility: of the target.
    """
    kernels = [src for src in srcs if src.endswith(".cu")]
    sources = [src for src in srcs if not src.endswith(".cu")]
    for kernel in kernels:
        source = kernel[:-len(".cu")] + "_emulated_source"
        native.genrule(
            name = source,
            outs = [source + ".cc"],
            cmd = "echo '#include \"%s/%s\"' > $@" % (native.package_name(), kernel),
        )
        sources.append(":" + source)
    cc_library(
        name = name,
        testonly = True,
        srcs = sources + hdrs,
        # The namespace autograd::cuda gets another name, so that one program can hold what nvcc made of the same source.
        # The emulator's <cuda_runtime.h> comes before a toolkit's.
        copts = ["-DCUDA_EMULATOR", "-Dcuda=cuda_emulated", "-Iautograd/testing/emulator/include"],
        textual_hdrs = kernels,
        visibility = visibility,
        deps = deps + ["//autograd/core:launch_cuda", "//autograd/testing/emulator"],
        alwayslink = True,
    )

def all_emulated_libraries(name, deps = [], visibility = None):
    """Every NAME_emulated of this BUILD file above the call, in one library.

    Args:
      name: the target.
      deps: emulated libraries of other folders.
      visibility: of the target.
    """
    cc_library(
        name = name,
        testonly = True,
        visibility = visibility,
        deps = deps + [":" + rule for rule in sorted(native.existing_rules().keys()) if rule.endswith("_emulated")],
    )
