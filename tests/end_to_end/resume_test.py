"""A run, or a table of runs, that is killed without warning and resumed ends as one that was never stopped."""

import csv
import os
import random
import signal
import time
import unittest

from tests.end_to_end.commands import RSS, TINY, folder, run, start

ARGUMENTS = ["--method=rss_image", "--steps=40", "--batch_size=2", "--group_size=3", "--crop=32", "--reward_scales=8,4", "--evaluate_every=15",
             "--checkpoint_every=3", "--threads=1", "--average_decay=0.9", "--seed=5"]


def weights(output):
    with open(os.path.join(output, "rss_image/weights.safetensors"), "rb") as file:
        return file.read()


def checkpoints(output):
    path = os.path.join(output, "rss_image/checkpoints")
    return [name for name in os.listdir(path) if name.endswith(".safetensors")] if os.path.isdir(path) else []


def finished_rows(output):
    """The rows of a table that have their scores, each with what tells whether its files were written again."""
    rows = {}
    for row in os.listdir(output) if os.path.isdir(output) else []:
        files = [os.path.join(output, row, "seed_0", name) for name in ("scores.json", "weights.safetensors")]
        if os.path.exists(files[0]):
            rows[row] = [(status.st_ino, status.st_mtime_ns) for status in map(os.stat, files)]
    return rows


def table(output):
    """The rows of results.csv without the time that each took, and each row's weights."""
    with open(os.path.join(output, "results.csv"), newline="") as file:
        rows = [row[:-1] for row in csv.reader(file)]
    weights_of = {}
    for row in finished_rows(output):
        with open(os.path.join(output, row, "seed_0/weights.safetensors"), "rb") as file:
            weights_of[row] = file.read()
    return rows, weights_of


class ResumeTest(unittest.TestCase):
    def start(self, output, arguments=ARGUMENTS):
        return start([RSS, *arguments, "--resume", f"--output={output}"])

    def test_killed_and_resumed(self):
        whole = folder("whole")
        result = run([RSS, *ARGUMENTS, f"--output={whole}"])
        self.assertEqual(result.returncode, 0, result.stderr)

        draw = random.Random(7)
        broken, kills = folder("broken"), 0
        for _ in range(3):
            process = self.start(broken)
            had = set(checkpoints(broken))
            while process.poll() is None and set(checkpoints(broken)) == had:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.05))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
        self.assertGreater(kills, 0, "the run was over before it could be killed")
        output, errors = self.start(broken).communicate()
        self.assertIn("mIoU", output, errors)
        self.assertEqual(weights(whole), weights(broken))

    def test_killed_table_keeps_its_rows(self):
        arguments = [*TINY, "--table=2"]
        whole = folder("whole_table")
        result = run([RSS, *arguments, f"--output={whole}"])
        self.assertEqual(result.returncode, 0, result.stderr)

        draw = random.Random(3)
        broken, kept, kills = folder("broken_table"), {}, 0
        for _ in range(3):
            process = self.start(broken, arguments)
            while process.poll() is None and len(finished_rows(broken)) == len(kept):
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.3))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
            rows = finished_rows(broken)
            self.assertEqual(kept, {row: rows[row] for row in kept}, "a finished row was run again")
            kept = rows
        self.assertGreater(kills, 0, "the table was over before it could be killed")
        output, errors = self.start(broken, arguments).communicate()
        self.assertIn("Table 2", output, errors)
        rows = finished_rows(broken)
        self.assertEqual(kept, {row: rows[row] for row in kept}, "a finished row was run again")
        self.assertEqual(table(whole), table(broken))

    def test_interrupted_run_saves_and_says_how_to_go_on(self):
        output = folder("interrupted")
        process = self.start(output)
        while process.poll() is None and not checkpoints(output):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate()
        self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        self.assertIn(f"Go on with --resume --output={output}", text)
        self.assertTrue(checkpoints(output))

    def test_thread_count_does_not_matter(self):
        outputs = []
        for threads in (1, 2):
            output = folder(f"threads_{threads}")
            result = run([RSS, "--method=rss_image", "--steps=5", "--batch_size=3", "--group_size=3", "--crop=32", "--reward_scales=8,4",
                          f"--threads={threads}", f"--output={output}"])
            self.assertEqual(result.returncode, 0, result.stderr)
            outputs.append(weights(output))
        self.assertEqual(outputs[0], outputs[1])


if __name__ == "__main__":
    unittest.main()
