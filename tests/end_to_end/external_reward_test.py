"""Learning from the scores of a program of the user's: the same as from the built-in reward, and no label is seen."""

import csv
import os
import shutil
import statistics
import unittest

from tests.end_to_end import commands
from tests.end_to_end.commands import RSS, RUNFILES, TINY, folder, run

SCORERS = os.path.join(RUNFILES, "experiments/rss/scorers")
WRITE_DATASET = os.path.join(SCORERS, "write_dataset")
SCENES = ["--crop=32", "--scene_images=24"]
LEARNING = [*SCENES, "--method=rss_image", "--batch_size=6", "--group_size=8", "--reward_scales=8,4", "--threads=1", "--seed=3", "--log_every=1"]


def mean_iou(labels, *arguments):
    return "--reward=exec:" + " ".join(["python3", os.path.join(SCORERS, "mean_iou.py"), labels, *arguments])


def log(output, column):
    with open(os.path.join(output, "rss_image/log.csv"), newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file) if row[column] not in ("", "nan")]


def weights(output):
    with open(os.path.join(output, "rss_image/weights.safetensors"), "rb") as file:
        return file.read()


class ExternalRewardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.labels = os.path.join(folder("scenes"), "labels")
        result = run([WRITE_DATASET, *SCENES, f"--output={folder('scenes')}"])
        assert result.returncode == 0, result.stderr

    def succeed(self, *command):
        result = run(list(command))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_scores_of_a_program_are_as_good_as_ours(self):
        inside, outside = folder("inside"), folder("outside")
        self.succeed(RSS, *LEARNING, "--steps=60", "--evaluate_every=1000", f"--output={inside}")
        self.succeed(RSS, *LEARNING, "--steps=60", "--evaluate_every=1000", f"--output={outside}", mean_iou(self.labels))
        rewards = log(outside, "reward")
        self.assertEqual(len(rewards), 60)
        self.assertEqual(log(inside, "reward"), rewards)
        self.assertEqual(weights(inside), weights(outside))
        # A step's reward is a mean over 6 images and 8 maps of each, so nearly normal. That ten steps at the end are
        # better than ten at the beginning by five standard errors of their difference is luck in fewer than one run of
        # 10^4 (Student's t, 18 degrees of freedom).
        begin, end = rewards[:10], rewards[-10:]
        error = ((statistics.variance(begin) + statistics.variance(end)) / 10) ** 0.5
        self.assertGreater(statistics.mean(end) - statistics.mean(begin), 5 * error, rewards)

    def test_the_network_learns(self):
        output = folder("learns")
        self.succeed(RSS, *LEARNING, "--steps=120", "--evaluate_every=20", "--learning_rate=0.004", f"--output={output}",
                     mean_iou(self.labels))
        # Of six classes: a map that does not look at the image is one class everywhere, whose IoU is below 1 and all
        # others' 0.
        scores = log(output, "mIoU")
        self.assertGreater(scores[-1], 1 / 6, scores)

    def test_a_shell_script_scores(self):
        script = os.path.join(SCORERS, "count_pixels.sh")
        output = folder("shell")
        self.succeed(RSS, *TINY, "--method=rss_image", f"--reward=exec:sh {script} 1 0.5", "--log_every=1", f"--output={output}")
        rewards = log(output, "reward")
        self.assertEqual(len(rewards), 6)
        self.assertTrue(all(-0.5 <= reward <= 0 for reward in rewards), rewards)

    # With cropped, resized and mirrored photographs: what their label files say makes no difference at all.
    def test_no_label_is_seen(self):
        root, other = folder("camvid"), folder("camvid_with_other_labels")
        commands.write_camvid(root)
        shutil.copytree(root, other)
        for name in os.listdir(os.path.join(other, "trainannot")):
            commands.write_png(os.path.join(other, "trainannot", name), 64, 48, 1, bytes([5, 7] * (64 * 48 // 2)))
        results = []
        for data in (root, other):
            output = folder("run_on_" + os.path.basename(data))
            self.succeed(RSS, *TINY, "--dataset=camvid", f"--data_root={data}", "--image_scale=1", "--method=rss_image",
                         mean_iou(os.path.join(root, "trainannot"), "--void=11"), f"--output={output}")
            results.append(weights(output))
        self.assertEqual(results[0], results[1])

    def test_errors_say_what_happened(self):
        def fail(*flags, code=1):
            result = run([RSS, *TINY, "--method=rss_image", *flags])
            self.assertEqual(result.returncode, code, result.stderr)
            return result.stderr

        self.assertIn("--reward=mean_iou: 'mean_iou' is no value of --reward (exec:COMMAND", fail("--reward=mean_iou", code=2))
        self.assertIn("whole maps", fail("--method=rss_pixel", "--reward=exec:true", code=2))
        text = fail(mean_iou("/no/such/labels"), "--reward_restarts=2", f"--output={folder('no_labels')}")
        self.assertIn("started again and asked the same (2 of 2)", text)
        self.assertIn("exited with status 1 in request 0, after 0 of 4 scores", text)
        self.assertIn("/no/such/labels/scene_train_", text)
        text = fail("--reward=exec:sleep 100", "--reward_timeout=0.5", "--reward_restarts=0", f"--output={folder('hangs')}")
        self.assertIn("'sleep 100' has not answered within 0.5 s", text)


if __name__ == "__main__":
    unittest.main()
