"""@com_google_absl: Abseil, for Status, flags, strings and containers; under its own labels.

Headers, archives and the pkg-config files (which say who needs whom) of Debian's package libabsl-dev. Debian's Abseil
has types of its own for absl::string_view and absl::optional: they are not std's.
"""

load("//third_party/absl:targets.bzl", "TARGETS")
load("//third_party/system:system_library.bzl", "fail_missing", "find_header", "find_library")

_APT = "libabsl-dev"

_ROOT_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

filegroup(
    name = "headers",
    srcs = glob([
        "include/absl/**/*.h",
        "include/absl/**/*.inc",
    ]),
)
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    srcs = {archives},
    hdrs = [":headers"],
    includes = ["include"],
    linkopts = ["-lpthread"],
    deps = {deps},
)
"""

_ALIAS = """
alias(
    name = "{name}",
    actual = "//:{library}",
    visibility = ["//visibility:public"],
)
"""

def _field(lines, key):
    for line in lines:
        if line.startswith(key + ":"):
            return line[len(key) + 1:].strip()
    return ""

def _absl_impl(ctx):
    headers = find_header(ctx, "absl")
    package_config = find_library(ctx, "pkgconfig/absl_base.pc")
    if not headers or not package_config:
        fail_missing(ctx.name, _APT, ["absl/", "pkgconfig/absl_base.pc"])
    ctx.symlink(headers, "include/absl")

    libraries = {}
    for file in package_config.dirname.readdir():
        if not file.basename.startswith("absl_") or not file.basename.endswith(".pc"):
            continue
        lines = ctx.read(file).splitlines()
        archives = ["lib/lib%s.a" % word[2:] for word in _field(lines, "Libs").split(" ") if word.startswith("-labsl_")]
        for archive in archives:
            found = find_library(ctx, archive[len("lib/"):])
            if not found:
                fail_missing(ctx.name, _APT, [archive])
            ctx.symlink(found, archive)
        requires = [entry.strip().split(" ")[0] for entry in _field(lines, "Requires").split(",") if entry.strip()]
        libraries[file.basename[:-len(".pc")]] = struct(archives = archives, requires = requires)

    ctx.file("BUILD.bazel", _ROOT_BUILD + "".join([
        _LIBRARY.format(
            name = name,
            archives = library.archives,
            deps = [":" + required for required in library.requires if required in libraries],
        )
        for name, library in libraries.items()
    ]))
    for package, targets in TARGETS.items():
        ctx.file("absl/%s/BUILD.bazel" % package, "".join([
            _ALIAS.format(name = target, library = "absl_" + library)
            for target, library in targets.items()
            if "absl_" + library in libraries
        ]))

_absl_repository = repository_rule(
    implementation = _absl_impl,
    doc = "Debian's Abseil as an external repository.",
    local = True,
)

def absl():
    _absl_repository(name = "com_google_absl")
