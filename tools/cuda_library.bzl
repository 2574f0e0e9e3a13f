"""cuda_library: CUDA sources, compiled by nvcc with the host compiler of the C++ toolchain."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@local_cuda//:defs.bzl", "CUDA_ROOT", "CUDA_VERSION")
load("@local_cuda//:settings.bzl", "SettingInfo")

def _flag(flags, prefix, default):
    """The last of `flags` that starts with `prefix`: what the host compiler would follow."""
    found = [flag for flag in flags if flag.startswith(prefix)]
    return found[-1] if found else default

def _compile_arguments(ctx, toolchain, context, code):
    """nvcc's arguments; `code` says what is made of a source, for which architectures."""
    args = ctx.actions.args()
    args.add_all(code + ["-ccbin", toolchain.compiler_executable])
    args.add(_flag(ctx.fragments.cpp.cxxopts, "-std=", "-std=c++17"))
    args.add("--expt-relaxed-constexpr")

    # Otherwise names from /tmp make the object differ in each run.
    args.add("--objdir-as-tempdir")
    args.add("-Werror=cross-execution-space-call,reorder,default-stream-launch")
    args.add_all(["-Xcompiler", "-fPIC"])

    # Templates shared with .cc files must come out the same here.
    march = _flag(ctx.fragments.cpp.copts, "-march=", None)
    if march:
        args.add_all(["-Xcompiler", march])
    args.add_all({
        "dbg": ["-O0", "-g"],
        "fastbuild": ["-O3"],
        "opt": ["-O3", "-DNDEBUG"],
    }[ctx.var["COMPILATION_MODE"]])

    args.add_all(context.defines, before_each = "-D", uniquify = True)
    args.add_all(context.quote_includes, before_each = "-I", uniquify = True)
    args.add_all(context.includes, before_each = "-I", uniquify = True)
    args.add_all(context.system_includes, before_each = "-isystem", uniquify = True)
    args.add_all(ctx.attr.nvccopts)
    return args

def _compile(ctx, args, inputs, src, suffix, what = ""):
    """Makes a file of `src`, and returns it."""
    output = ctx.actions.declare_file("_objs/%s/%s" % (ctx.label.name, src.basename[:-len(".cu")] + suffix))
    ctx.actions.run(
        executable = CUDA_ROOT + "/bin/nvcc",
        arguments = [args, src.path, "-o", output.path],
        inputs = depset([src], transitive = inputs),
        outputs = [output],
        # The version is there for its effect on the action's key: a new toolkit rebuilds.
        env = {"PATH": "/usr/bin:/bin", "TOOLKIT_VERSION": CUDA_VERSION},
        mnemonic = "CudaCompile",
        progress_message = "Compiling %s with nvcc%s" % (src.short_path, what),
    )
    return output

def _cuda_library_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    own = cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs),
        quote_includes = depset([".", ctx.bin_dir.path]),
        defines = depset(ctx.attr.defines),
    )
    merged = cc_common.merge_cc_infos(
        direct_cc_infos = [CcInfo(compilation_context = own)],
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps + ctx.attr._implicit_deps],
    )
    context = merged.compilation_context

    # Machine code for each architecture, and PTX of the last for what comes later.
    archs = ctx.attr._archs[SettingInfo].value.split(",")
    code = ["-gencode=arch=compute_%s,code=sm_%s" % (arch, arch) for arch in archs]
    code.append("-gencode=arch=compute_%s,code=compute_%s" % (archs[-1], archs[-1]))
    args = _compile_arguments(ctx, toolchain, context, ["-c"] + code)
    machine_code_args = _compile_arguments(ctx, toolchain, context, ["-cubin", "-arch=sm_" + archs[-1]])

    inputs = [context.headers, toolchain.all_files]
    objects = [_compile(ctx, args, inputs, src, ".pic.o") for src in ctx.files.srcs]

    # Only compiled where the output group is asked for.
    cubins = [_compile(ctx, machine_code_args, inputs, src, ".cubin", " to machine code") for src in ctx.files.srcs]

    linking, outputs = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = toolchain,
        linking_contexts = [merged.linking_context],
        compilation_outputs = cc_common.create_compilation_outputs(
            objects = depset(objects),
            pic_objects = depset(objects),
        ),
        disallow_dynamic_library = True,
    )
    library = outputs.library_to_link
    files = [file for file in [library.static_library, library.pic_static_library] if file]
    return [
        DefaultInfo(files = depset(files)),
        OutputGroupInfo(cubins = depset(cubins)),
        CcInfo(compilation_context = context, linking_context = linking),
    ]

_cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "defines": attr.string_list(),
        "nvccopts": attr.string_list(),
        "_archs": attr.label(default = "@local_cuda//:archs"),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
        "_implicit_deps": attr.label_list(default = ["@local_cuda//:cudart_static"]),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

def cuda_library(name, srcs, target_compatible_with = None, **kwargs):
    """CUDA sources as a library that cc_library and cc_test can depend on.

    Where CUDA is off the target is incompatible: depend on it through select() on @local_cuda//:enabled.

    Args:
      name: the target.
      srcs: .cu files.
      target_compatible_with: further constraints.
      **kwargs: hdrs, deps, defines, nvccopts (for this target's nvcc only), visibility, testonly, tags.
    """
    _cuda_library(
        name = name,
        srcs = srcs,
        target_compatible_with = select({
            "@local_cuda//:enabled": target_compatible_with or [],
            "//conditions:default": ["@local_cuda//:unavailable"],
        }),
        **kwargs
    )

def all_cubins(name, visibility = None):
    """The machine code, for the last of the architectures, of every cuda_library of this BUILD file above the call.

    Args:
      name: the target.
      visibility: of the target.
    """
    native.filegroup(
        name = name,
        testonly = True,
        srcs = [
            ":" + rule
            for rule, attributes in sorted(native.existing_rules().items())
            if attributes["kind"] == "_cuda_library"
        ],
        output_group = "cubins",
        visibility = visibility,
    )

def if_cuda(values, otherwise = []):
    """`values` where CUDA is on, `otherwise` where it is off."""
    return select({
        "@local_cuda//:enabled": values,
        "//conditions:default": otherwise,
    })
