#!/usr/bin/env python3
"""Writes compile_commands.json for clangd and clang-tidy: tools/compile_commands.py [target pattern, default //...].

Asks Bazel for the compile actions; nothing is built. Further Bazel flags can follow the pattern (--config=clang).
"""

import json
import os
import subprocess
import sys

# GCC's, unknown to clang.
DROPPED = {"-fno-canonical-system-headers"}


def bazel(*arguments):
    return subprocess.run(("bazel",) + arguments, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout


def resolve(argument, output_base):
    """Points `external/...` to the folder where Bazel keeps external repositories."""
    for prefix in ("", "-I", "-isystem", "-iquote"):
        if argument.startswith(prefix + "external/"):
            return prefix + output_base + "/" + argument[len(prefix):]
    return argument


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else "//..."
    flags = sys.argv[2:]
    workspace = bazel("info", "workspace").strip()
    output_base = bazel("info", "output_base").strip()
    query = 'mnemonic("CppCompile|CudaCompile", deps(%s))' % pattern
    actions = json.loads(bazel("aquery", query, "--output=jsonproto", *flags)).get("actions", [])

    commands = {}
    for action in actions:
        arguments = [resolve(a, output_base) for a in action["arguments"] if a not in DROPPED]
        sources = [a for a in arguments if a.endswith((".cc", ".cu")) and not a.startswith("-")]
        if not sources or sources[-1].startswith(("/", "bazel-out/")):
            continue
        commands[sources[-1]] = {"directory": workspace, "file": sources[-1], "arguments": arguments}

    path = os.path.join(workspace, "compile_commands.json")
    with open(path, "w") as file:
        json.dump(list(commands.values()), file, indent=1)
    print("%s: %d sources" % (path, len(commands)))


if __name__ == "__main__":
    main()
