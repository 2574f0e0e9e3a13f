"""One external repository for one library of the system.

Headers and archives become symlinks inside the repository: they are inputs of every action that uses them (an upgrade
rebuilds), no BUILD file holds an absolute path, and an undeclared dependency does not compile.
"""

_MULTIARCH = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
_INCLUDE_FOLDERS = ["/usr/include/" + arch for arch in _MULTIARCH] + ["/usr/include", "/usr/local/include"]
_LIBRARY_FOLDERS = ["/usr/lib/" + arch for arch in _MULTIARCH] + ["/usr/lib64", "/usr/lib", "/usr/local/lib"]

def find_in(ctx, folders, name):
    """The path of `name` in the first of `folders` that has it, or None."""
    for folder in folders:
        path = ctx.path(folder + "/" + name)
        if path.exists:
            return path
    return None

def find_library(ctx, name):
    """The path of a file of the system's library folders, or None."""
    return find_in(ctx, _LIBRARY_FOLDERS, name)

def find_header(ctx, name):
    """The path of a file or folder of the system's include folders, or None."""
    return find_in(ctx, _INCLUDE_FOLDERS, name)

def fail_missing(name, apt, missing):
    """Ends the loading with the name of the package to install."""
    fail("""

{name} needs the system package {apt} (not found: {missing}).
Run:  sudo apt-get install {apt}
or use ./bazelw, which installs it.
""".format(name = name, apt = apt, missing = ", ".join(missing)))

def _system_library_impl(ctx):
    missing = []
    for candidate, destination in ctx.attr.headers.items():
        found = find_library(ctx, candidate) if ctx.attr.headers_beside_libraries else find_header(ctx, candidate)
        if found:
            ctx.symlink(found, "include/" + destination)
        else:
            missing.append(candidate)
    for source, destination in ctx.attr.sources.items():
        if ctx.path(source).exists:
            ctx.symlink(source, destination)
        else:
            missing.append(source)
    for archive in ctx.attr.static_libraries:
        found = find_library(ctx, archive)
        if found:
            ctx.symlink(found, "lib/" + archive)
        else:
            missing.append(archive)
    for library in ctx.attr.shared_libraries:
        if not find_library(ctx, library):
            missing.append(library)
    if missing:
        fail_missing(ctx.name, ctx.attr.apt, missing)
    ctx.file("BUILD.bazel", ctx.attr.build_file_content)

system_library = repository_rule(
    implementation = _system_library_impl,
    doc = "A library of the system as an external repository.",
    attrs = {
        "apt": attr.string(mandatory = True, doc = "The Debian package that has the files."),
        "headers": attr.string_dict(doc = "A file or folder below an include folder -> its place below include/."),
        "headers_beside_libraries": attr.bool(doc = "The headers are below a library folder, as OpenMPI's are."),
        "sources": attr.string_dict(doc = "An absolute path of sources -> its place in the repository."),
        "static_libraries": attr.string_list(doc = "Archives, symlinked to lib/."),
        "shared_libraries": attr.string_list(doc = "Libraries that the linker finds by itself: only checked."),
        "build_file_content": attr.string(mandatory = True),
    },
    local = True,
)
