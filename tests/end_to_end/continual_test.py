"""Continual learning as a user runs it: without data, task by task, killed and resumed, on two ranks, and asked for what
it cannot do.
"""

import csv
import math
import os
import random
import signal
import time
import unittest

from tests.end_to_end.commands import CONTINUAL, EVALUATE, CasesTest, folder, run, start
from tests.end_to_end.fixtures import checkpoints, read, rows_of_log, scores
from tests.end_to_end.ranks import OPENED, RanksTest, read_log, read_tensors

# Seconds on one slow core: 13-5 has two tasks.
TINY = ["--crop=32", "--protocol=13-5", "--scene_images=200", "--steps=4", "--later_steps=4", "--batch_size=2",
        "--threshold_images=8", "--checkpoint_every=2", "--log_every=1", "--probe_every=2", "--threads=1"]
ROWS = ("fine_tuning", "plop", "plop_pathwise", "plop_policy", "joint")
PLOP_COLUMNS = ("taught", "distilled")

ALL = folder("all")
TABLE = None


def setUpModule():
    global TABLE
    result = run([CONTINUAL, *TINY, f"--output={ALL}"])
    assert result.returncode == 0, result.stderr
    TABLE = result.stdout


class RowsTest(unittest.TestCase):
    def test_everything_is_written_without_data(self):
        self.assertIn("13-5: 2 tasks of", TABLE)
        page = read(os.path.join(ALL, "report.html")).decode()
        for text in ("after task 1", "IoU of every class after every task", "Validation old"):
            self.assertIn(text, page)
        for row in ROWS:
            path = os.path.join(ALL, row)
            for name in ("weights.safetensors", "classes.csv", "classes.png"):
                self.assertGreater(os.path.getsize(os.path.join(path, name)), 0, name)
            own = scores(path)
            self.assertTrue(all(name in own for name in ("all", "old", "new", "average")), own)
            self.assertEqual("forgetting" in own, row != "joint")
        with open(os.path.join(ALL, "plop/classes.csv"), newline="") as file:
            lines = list(csv.reader(file))
        self.assertEqual(lines[0], ["class", "task 1", "task 2"])
        self.assertEqual(len(lines), 1 + 19)
        # The last five classes come with the second task.
        self.assertTrue(all(line[1] == "" for line in lines[15:]), lines)

    def test_the_log_says_what_is_distilled(self):
        for row in ROWS[1:4]:
            for line in rows_of_log(os.path.join(ALL, row, "task_2")):
                self.assertTrue(all(math.isfinite(float(line[name])) for name in PLOP_COLUMNS), line)
                self.assertTrue(0 <= float(line["taught"]) <= 1, line)
        for row in ("first", "joint"):
            self.assertNotIn("taught", rows_of_log(os.path.join(ALL, row, "task_1"))[0])

    # Rows without a policy begin with one network, and grow out of it.
    def test_the_first_task_is_shared(self):
        for first, rows in (("first", ROWS[:2]), ("first_policy", ROWS[2:4])):
            shared = scores(os.path.join(ALL, first))
            for row in rows:
                self.assertEqual(scores(os.path.join(ALL, row, "task_1"))["all"], shared["all"])
                self.assertFalse(os.path.exists(os.path.join(ALL, row, "task_1/weights.safetensors")))
        classes = {row: len(next(values for name, values in read_tensors(os.path.join(ALL, row, "weights.safetensors")).items()
                                 if name.endswith(("classifier.bias", "classifier.4.bias"))))
                   for row in ("first", "plop", "plop_policy", "joint")}
        self.assertEqual(classes, {"first": 14, "plop": 19, "plop_policy": 19, "joint": 19})

    def test_the_network_says_what_it_was_taught(self):
        result = run([EVALUATE, f"--checkpoint={os.path.join(ALL, 'plop/weights.safetensors')}", "--limit=2", "--threads=1"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("mIoU", result.stdout)


class ResumeTest(unittest.TestCase):
    ARGUMENTS = [*TINY, "--table=15-5", "--rows=plop_policy_first", "--steps=10", "--later_steps=14", "--seed=5"]
    ROW = "plop_policy_first/seed_5"

    # Killed within tasks; weights, logs and scores are those of a run that was left alone.
    def test_killed_and_resumed(self):
        whole, broken = folder("whole"), folder("broken")
        result = run([CONTINUAL, *self.ARGUMENTS, f"--output={whole}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        draw, kills = random.Random(7), {}
        for task in ("task_1", "task_2", "task_2"):
            path = os.path.join(broken, self.ROW, task)
            had = checkpoints(path)[-1:]
            process = start([CONTINUAL, *self.ARGUMENTS, "--resume", f"--output={broken}"])
            while process.poll() is None and checkpoints(path)[-1:] == had:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.05))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills[task] = kills.get(task, 0) + 1
            process.communicate()
        self.assertIn("task_2", kills, "the run was over before it could be killed in its second task")
        result = run([CONTINUAL, *self.ARGUMENTS, "--resume", f"--output={broken}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("task 1 of 2 is finished", result.stdout)
        for name in ("weights.safetensors", "classes.csv", "task_1/log.csv", "task_2/log.csv"):
            self.assertEqual(*(read(os.path.join(output, self.ROW, name)) for output in (whole, broken)), name)
        self.assertEqual(*(scores(os.path.join(output, self.ROW)) for output in (whole, broken)))


class ContinualRanksTest(RanksTest):
    # One step of the second task, which measures thresholds, makes labels and distils.
    COMMON = [*TINY, "--rows=plop", "--later_steps=1", "--checkpoint_every=1", "--seed=2",
              f"--cold_start={os.path.join(ALL, 'first/weights.safetensors')}"]

    def test_two_ranks_are_one_with_the_whole_batch(self):
        logs = {}
        for name, count, images in (("two", 2, 2), ("one", 1, 4)):
            output = folder(f"ranks_{name}")
            self.run_ranks(count, [CONTINUAL, *self.COMMON, f"--batch_size={images}", f"--output={output}"])
            logs[name] = {column: read_log(os.path.join(output, "plop/task_2"), column)[1] for column in ("loss", "taught")}
        for column in ("loss", "taught"):
            one, two = logs["one"][column], logs["two"][column]
            self.assertLess(abs(one - two), OPENED * max(1, abs(one)), (column, logs))


class BadInputTest(CasesTest):
    def refuse(self, command, *parts, code=2):
        result = self.fail_with(code, command, *parts)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)

    def test_flags(self):
        for i, (flags, parts) in enumerate((
            (["--protocol=15-5"], ["--protocol", "15-5", "13-5"]),
            (["--noscene_things"], ["--protocol", "23 classes"]),
            (["--scene_images=0"], ["--scene_images=0"]),
            (["--entropy=low"], ["--entropy", "released"]),
            (["--later_steps=0"], ["--later_steps=0", "at least 1"]),
            (["--auxiliary_weight=0.4"], ["--auxiliary_weight"]),
            (["--capture"], ["--capture"]),
            (["--target=scenes:night"], ["--target"]),
            (["--area_crops", "--image_scale=0.5"], ["--area_crops", "--image_scale"]),
            (["--model=segmenter_micro"], ["--model=segmenter_micro"]),
            (["--noscene_things", "--scene_classes=19"], ["--protocol=13-5", "'sky'"]),
        )):
            with self.subTest(flags):
                self.refuse([CONTINUAL, *TINY, *flags, f"--output={folder(f'refused_{i}')}"], *parts)

    # A task's folder without its network is said, and not run anew in silence.
    def test_a_task_that_lost_its_network(self):
        output = folder("lost")
        row = os.path.join(output, "plop_policy_first/seed_0")
        arguments = [CONTINUAL, *TINY, "--table=15-5", "--rows=plop_policy_first", f"--output={output}"]
        result = run(arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        for lost in ("scores.json", "task_2/scores.json", "task_1/weights.safetensors"):
            os.remove(os.path.join(row, lost))
        self.refuse([*arguments, "--resume"], "task_1/weights.safetensors", code=1)

    def test_a_start_of_other_classes(self):
        start = os.path.join(ALL, "plop/weights.safetensors")
        self.refuse([CONTINUAL, *TINY, "--rows=plop", f"--cold_start={start}", f"--output={folder('other_start')}"], start,
                    "first task", code=1)
        start = os.path.join(ALL, "first/weights.safetensors")
        self.refuse([CONTINUAL, *TINY, "--rows=plop_policy", f"--cold_start={start}", f"--output={folder('no_policy')}"],
                    start, "latent policy")


if __name__ == "__main__":
    unittest.main()
