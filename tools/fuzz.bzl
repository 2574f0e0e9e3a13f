"""fuzzer: a libFuzzer target that every compiler can also run as a test."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def fuzzer(name, srcs, deps = [], corpus = [], size = "small", tags = []):
    """Expands to NAME (the fuzzer, built only with --config=fuzz) and NAME_test (the corpus and mutations of it).

        bazel run --config=fuzz //tests/fuzz:NAME -- -max_total_time=60

    Args:
      name: the fuzzer.
      srcs: sources that define LLVMFuzzerTestOneInput.
      deps: dependencies.
      corpus: small files to start from.
      size: the test's size.
      tags: the test's tags.
    """
    cc_library(
        name = name + "_library",
        testonly = True,
        srcs = srcs,
        visibility = ["//visibility:private"],
        deps = deps,
        alwayslink = True,
    )
    cc_test(
        name = name + "_test",
        size = size,
        args = ["$(rootpaths %s)" % label for label in corpus],
        data = corpus,
        tags = tags,
        deps = [
            ":%s_library" % name,
            "//tools:fuzz_replay",
        ],
    )
    cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":%s_library" % name],
    )
