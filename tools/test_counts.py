#!/usr/bin/env python3
"""Counts the results of `bazel test --build_event_json_file=FILE`: prints "PASSED FAILED SKIPPED".

PASSED and FAILED are test targets; one that could not be built, or not be run, has failed. SKIPPED counts the single
tests inside passing targets that skipped themselves (GTEST_SKIP).
"""

import json
import re
import sys
import urllib.parse

SKIPPED = re.compile(r"^\[  SKIPPED \] \S+ \(\d+ ms\)$", re.MULTILINE)


def skipped_in(outputs):
    count = 0
    for output in outputs:
        if output.get("name") == "test.log":
            path = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
            with open(path, encoding="utf-8", errors="replace") as log:
                count += len(SKIPPED.findall(log.read()))
    return count


def count(lines):
    """(passed, failed, skipped) of the events in `lines`, one JSON object each."""
    status, skipped = {}, 0
    tests = set()
    for line in lines:
        event = json.loads(line)
        name, value = next(iter(event["id"].items()))
        if name == "targetConfigured" and event.get("configured", {}).get("testSize"):
            tests.add(value["label"])
        elif name == "targetCompleted" and "aborted" in event and event["aborted"].get("reason") == "SKIPPED":
            # The target does not fit this platform: CUDA where it is off.
            tests.discard(value["label"])
        elif name == "testSummary" and "testSummary" in event:
            status[value["label"]] = event["testSummary"]["overallStatus"]
        elif name == "testResult" and event.get("testResult", {}).get("status") == "PASSED":
            skipped += skipped_in(event["testResult"].get("testActionOutput", []))
    passed = sum(1 for value in status.values() if value in ("PASSED", "FLAKY"))
    return passed, len(tests | set(status)) - passed, skipped


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        print(*count(file))


if __name__ == "__main__":
    main()
