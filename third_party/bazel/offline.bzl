"""Stand-ins for the three repositories that Bazel 4 would download, so that it builds without a network."""

def offline_repositories():
    """Defines them where Bazel is Debian's 4.x; a newer Bazel fetches its own."""
    version = native.bazel_version  # Debian's bazel-bootstrap reports an empty string.
    if version and not version.startswith("4."):
        return
    for name in ["rules_cc", "rules_java", "remote_coverage_tools"]:
        native.local_repository(name = name, path = "third_party/bazel/" + name)
