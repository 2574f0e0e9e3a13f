"""Counts a hand-made run: every way in which a target or a single test can end."""

import json
import os
import tempfile
import unittest

from tools import test_counts

LOG = """[ RUN      ] Camvid.Reads
camvid_test.cc:12: Skipped
[  SKIPPED ] Camvid.Reads (0 ms)
[ RUN      ] Camvid.Writes
[       OK ] Camvid.Writes (3 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Camvid.Reads
"""


def configured(label):
    return {"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}}


def summary(label, status):
    return {"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}}


class TestCountsTest(unittest.TestCase):
    def test_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "a b.log")
            with open(log, "w", encoding="utf-8") as file:
                file.write(LOG)
            outputs = [{"name": "test.log", "uri": "file://" + log.replace(" ", "%20")}]
            events = [
                configured("//:passes"),
                configured("//:flaky"),
                configured("//:fails"),
                configured("//:times_out"),
                configured("//:does_not_compile"),
                configured("//:needs_cuda"),
                {"id": {"targetConfigured": {"label": "//:library"}}, "configured": {"targetKind": "cc_library rule"}},
                {"id": {"targetCompleted": {"label": "//:needs_cuda"}}, "aborted": {"reason": "SKIPPED"}},
                {"id": {"testResult": {"label": "//:passes"}}, "testResult": {"status": "PASSED", "testActionOutput": outputs}},
                {"id": {"testResult": {"label": "//:fails"}}, "testResult": {"status": "FAILED", "testActionOutput": outputs}},
                summary("//:passes", "PASSED"),
                summary("//:flaky", "FLAKY"),
                summary("//:fails", "FAILED"),
                summary("//:times_out", "TIMEOUT"),
                {"id": {"targetCompleted": {"label": "//:does_not_compile"}}, "completed": {}},
            ]
            self.assertEqual(test_counts.count(map(json.dumps, events)), (2, 3, 1))


if __name__ == "__main__":
    unittest.main()
