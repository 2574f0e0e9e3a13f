"""@openmpi: OpenMPI, collectives between CPU ranks (//autograd/collective).

Headers and libmpi.so of Debian's package libopenmpi-dev; mpirun, which runs mpi_test, is in openmpi-bin.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

cc_library(
    name = "mpi",
    hdrs = glob(["include/*.h"]),
    defines = ["OMPI_SKIP_MPICXX"],
    includes = ["include"],
    linkopts = ["-lmpi"],
    visibility = ["//visibility:public"],
)
"""

def openmpi():
    system_library(
        name = "openmpi",
        apt = "libopenmpi-dev",
        headers = {
            "openmpi/include/mpi.h": "mpi.h",
            "openmpi/include/mpi_portable_platform.h": "mpi_portable_platform.h",
        },
        headers_beside_libraries = True,
        shared_libraries = ["libmpi.so"],
        build_file_content = _BUILD,
    )
