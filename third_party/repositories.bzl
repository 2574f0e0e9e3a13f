"""Every library of the system that the build knows. One is looked for only when a requested target needs it."""

load("//third_party/absl:repository.bzl", "absl")
load("//third_party/benchmark:repository.bzl", "benchmark")
load("//third_party/eigen:repository.bzl", "eigen")
load("//third_party/googletest:repository.bzl", "googletest")
load("//third_party/jpeg:repository.bzl", "jpeg")
load("//third_party/json:repository.bzl", "json")
load("//third_party/onednn:repository.bzl", "onednn")
load("//third_party/openmpi:repository.bzl", "openmpi")
load("//third_party/png:repository.bzl", "png")
load("//third_party/zlib:repository.bzl", "zlib")

def system_repositories():
    absl()
    benchmark()
    eigen()
    googletest()
    jpeg()
    json()
    onednn()
    openmpi()
    png()
    zlib()
