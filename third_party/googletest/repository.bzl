"""@googletest: GoogleTest and GoogleMock, for every test.

Compiled from the sources that Debian's package googletest installs, so that sanitizers see into it.
"""

load("//third_party/system:system_library.bzl", "system_library")

_BUILD = """
load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

_HEADERS = glob([
    "googletest/include/**/*.h",
    "googlemock/include/**/*.h",
])

cc_library(
    name = "gtest",
    srcs = glob(
        [
            "googletest/src/*.cc",
            "googletest/src/*.h",
            "googlemock/src/*.cc",
        ],
        exclude = [
            "googletest/src/gtest-all.cc",
            "googletest/src/gtest_main.cc",
            "googlemock/src/gmock-all.cc",
            "googlemock/src/gmock_main.cc",
        ],
    ),
    hdrs = _HEADERS,
    copts = ["-w"],
    includes = [
        "googlemock",
        "googlemock/include",
        "googletest",
        "googletest/include",
    ],
    linkopts = ["-lpthread"],
)

# The headers once more: a test includes gtest.h and depends on this target alone.
cc_library(
    name = "gtest_main",
    srcs = ["googlemock/src/gmock_main.cc"],
    hdrs = _HEADERS,
    deps = [":gtest"],
)
"""

def googletest():
    system_library(
        name = "googletest",
        apt = "googletest",
        sources = {
            "/usr/src/googletest/googletest/include": "googletest/include",
            "/usr/src/googletest/googletest/src": "googletest/src",
            "/usr/src/googletest/googlemock/include": "googlemock/include",
            "/usr/src/googletest/googlemock/src": "googlemock/src",
        },
        build_file_content = _BUILD,
    )
