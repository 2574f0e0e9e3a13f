"""mpi_test: a GoogleTest program that runs on several ranks."""

load("@rules_cc//cc:defs.bzl", "cc_binary")

def mpi_test(name, ranks, srcs, deps = [], size = "small", tags = [], **kwargs):
    """Runs the tests of `srcs` on every rank of an MPI world; it passes when they pass on all.

    Args:
      name: the test.
      ranks: the number of ranks. More than there are cores is fine.
      srcs: sources with TEST()s and no main(); MPI is initialised before they run.
      deps: dependencies; GoogleTest and MPI are among them already.
      size: the test's size.
      tags: the test's tags.
      **kwargs: further attributes of the test.
    """
    cc_binary(
        name = name + "_ranks",
        testonly = True,
        srcs = srcs,
        tags = tags,
        visibility = ["//visibility:private"],
        deps = deps + [
            "//tools:mpi_test_main",
            "@googletest//:gtest",
            "@openmpi//:mpi",
        ],
    )
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//tools:mpi_test.sh"],
        args = [str(ranks), "$(rootpath :%s_ranks)" % name],
        data = [":%s_ranks" % name],
        tags = tags + ["cpu:%d" % ranks],
        **kwargs
    )
