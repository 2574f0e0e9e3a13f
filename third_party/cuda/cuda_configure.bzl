"""@local_cuda: the CUDA toolkit of this machine, or the same targets empty where there is none.

Looked for in $CUDA_HOME, /usr/local/cuda and /opt/cuda; MONO_CUDA=0 pretends that there is none. Used by
//autograd/cuda, //autograd/collective and *_cuda.cu only. cuBLAS, cuDNN and NCCL are opened at run time: only their
headers are needed here, and one binary serves machines with and without them.
"""

_SETTINGS = '''"""Build settings of the CUDA toolkit."""

SettingInfo = provider(doc = "The value of a build setting.", fields = ["value"])

def _setting_impl(ctx):
    return [SettingInfo(value = ctx.build_setting_value)]

bool_flag = rule(implementation = _setting_impl, build_setting = config.bool(flag = True))
string_flag = rule(implementation = _setting_impl, build_setting = config.string(flag = True))
'''

_BUILD = '''
load("@rules_cc//cc:defs.bzl", "cc_library")
load(":settings.bzl", "bool_flag", "string_flag")

package(default_visibility = ["//visibility:public"])

# --cuda=false
bool_flag(
    name = "enable",
    build_setting_default = {found},
)

# --@local_cuda//:archs=90a
string_flag(
    name = "archs",
    build_setting_default = "80,90",
)

config_setting(
    name = "enabled",
    flag_values = {{":enable": "true"}},
)

# A constraint that no platform has: targets with it are skipped by //... where CUDA is off.
constraint_setting(name = "never")

constraint_value(
    name = "unavailable",
    constraint_setting = ":never",
)

# What C++ sources include; nvcc finds the rest (CUB, libcu++) in its own folders.
cc_library(
    name = "headers",
    hdrs = glob([
        "include/*.h",
        "include/*.hpp",
        "include/crt/*",
        "include/nv/**",
        "include/cccl/nv/**",
        "include/nvtx3/**",
        "include/nccl_device/**",
    ]),
    includes = [
        "include",
        "include/cccl",
    ],
)

# The runtime opens the driver, libcuda.so.1, by itself: a program linked with it starts on any machine.
cc_library(
    name = "cudart_static",
    srcs = glob(["lib/libcudart_static.a"]),
    linkopts = {linkopts},
    deps = [":headers"],
)
'''

def _find_toolkit(ctx):
    if ctx.os.environ.get("MONO_CUDA", "") == "0":
        return None
    for root in [ctx.os.environ.get("CUDA_HOME", ""), "/usr/local/cuda", "/opt/cuda"]:
        if root and ctx.path(root + "/bin/nvcc").exists and ctx.path(root + "/include/cuda_runtime.h").exists:
            return root
    return None

def _cuda_configure_impl(ctx):
    root = _find_toolkit(ctx)
    version = ""
    if root:
        for line in ctx.read(root + "/include/cuda.h").splitlines():
            if line.startswith("#define CUDA_VERSION "):
                version = line.split(" ")[2]
        ctx.symlink(root + "/include", "include")
        ctx.symlink(root + "/lib64/libcudart_static.a", "lib/libcudart_static.a")
    ctx.file("settings.bzl", _SETTINGS)
    ctx.file("defs.bzl", '''"""The toolkit that was found."""

CUDA_ROOT = "{root}"
CUDA_VERSION = "{version}"
'''.format(root = root or "", version = version))
    ctx.file("BUILD.bazel", _BUILD.format(
        found = bool(root),
        linkopts = ["-ldl", "-lpthread", "-lrt"] if root else [],
    ))

cuda_configure = repository_rule(
    implementation = _cuda_configure_impl,
    doc = "The CUDA toolkit of this machine as an external repository.",
    environ = ["CUDA_HOME", "MONO_CUDA"],
    local = True,
)
