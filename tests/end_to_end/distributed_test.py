"""Several ranks on CPUs: two with half the batch each do what one with the whole batch does.

When one dies the others do not wait.
"""

import collections
import os
import random
import signal
import subprocess
import time
import unittest

from tests.end_to_end import commands
from tests.end_to_end.commands import EVALUATE, RSS, RUNFILES, TEMPORARY, TINY, folder, run
from tests.end_to_end.ranks import ENVIRONMENT, OPENED, ROUNDING, RanksTest, checkpoint, distance, gradients, ranks, read_log, read_tensors

STEPS = 20
COMMON = ["--crop=32", "--reward_scales=8,4", "--group_size=4", f"--steps={STEPS}", f"--evaluate_every={STEPS}",
          f"--checkpoint_every={STEPS - 1}", "--log_every=1", "--threads=1", "--seed=2"]


def copy_for_batches_of_four(path, copy):
    """A checkpoint names the images of each rank, and a run with others is another run: the copy says that it is this one."""
    with open(path, "rb") as file:
        contents = file.read()
    before, after = (b'[\\"batch_size\\",\\"%d\\"]' % images for images in (2, 4))
    assert contents.count(before) == 1, path
    with open(copy, "wb") as file:
        file.write(contents.replace(before, after))


Apart = collections.namedtuple("Apart", "loss statistics last_layer gradient")


class DistributedTest(RanksTest):
    def compare(self, name, rows, arguments, last_layer="decoder.classifier"):
        """Trains with two ranks, and takes the last step again with one that has the whole batch and their bits.

        Trainings that begin a rounding apart end far apart, as AdamW moves a weight by the rate however small its
        gradient. The two ranks' own steps before are in it, too: had they gone apart, their mean would not be the step
        of the first one's weights.
        Returns what the two ranks printed and, for each of `rows` (folders of runs), how far apart the steps are."""
        two, one = folder(f"{name}_2"), folder(f"{name}_1")
        text = self.run_ranks(2, [RSS, *COMMON, *arguments, "--batch_size=2", f"--output={two}"]).stdout
        for row in rows:
            os.makedirs(os.path.dirname(checkpoint(one, row, STEPS - 1)))
            copy_for_batches_of_four(checkpoint(two, row, STEPS - 1), checkpoint(one, row, STEPS - 1))
        self.run_ranks(1, [RSS, *COMMON, *arguments, "--batch_size=4", "--resume", f"--output={one}"])
        apart = {}
        for row in rows:
            losses = [read_log(os.path.join(output, row), "loss") for output in (two, one)]
            self.assertEqual(sorted(losses[0]), list(range(1, STEPS + 1)))  # rank 0 logs, once
            self.assertEqual(sorted(losses[1]), [STEPS])
            before = read_tensors(checkpoint(two, row, STEPS - 1))
            after = [read_tensors(checkpoint(output, row, STEPS)) for output in (two, one)]
            steps = [gradients(before, state) for state in after]
            apart[row] = Apart(abs(losses[0][STEPS] - losses[1][STEPS]) / max(1, abs(losses[1][STEPS])),
                               distance(*after, "running_"), distance(*steps, last_layer), distance(*steps))
            print(f"{name}, {row}: {apart[row]}")
        return text, apart

    def expect_one_step(self, apart, gradient=OPENED):
        # These are made of what flows forward, where a ReLU does not jump.
        self.assertLess(max(apart.loss, apart.statistics, apart.last_layer), ROUNDING, apart)
        self.assertLess(apart.gradient, gradient, apart)

    def test_supervised(self):
        text, apart = self.compare("supervised", ["psl"], ["--method=psl"])
        self.expect_one_step(apart["psl"])
        self.assertEqual(text.count("PSL (labels): mIoU"), 1)
        self.assertIn("2 ranks", text)

    # Whole samples are dropped at random: the same ones, whichever rank has them. Nothing in this network jumps.
    def test_stochastic_depth(self):
        _, apart = self.compare("stochastic_depth", ["psl"],
                                ["--drop_path=0.5", "--model=segmenter_micro", "--method=psl"])
        self.expect_one_step(apart["psl"], gradient=ROUNDING)

    def test_auxiliary_head(self):
        _, apart = self.compare("auxiliary", ["psl"], ["--auxiliary_weight=0.4", "--model=fcn_micro", "--method=psl"],
                                last_layer="classifier.4.")
        self.expect_one_step(apart["psl"])

    # CamVid has void pixels, more on one rank than on the other, and images that are cropped and distorted.
    def test_supervised_with_void(self):
        root = folder("camvid")
        commands.write_camvid(root, images=8)
        draw = random.Random(1)
        for i in range(8):
            # Rough pictures, whose batch statistics are no matter of rounding, and up to two thirds of void.
            commands.write_png(os.path.join(root, "train", f"{i}.png"), 64, 48, 3, draw.randbytes(64 * 48 * 3))
            labels = bytes(11 if y < 4 * i else x // 16 for y in range(48) for x in range(64))
            commands.write_png(os.path.join(root, "trainannot", f"{i}.png"), 64, 48, 1, labels)
        _, apart = self.compare("void", ["psl"],
                                ["--dataset=camvid", f"--data_root={root}", "--image_scale=1", "--method=psl"])
        self.expect_one_step(apart["psl"])

    # A draw whose probability lies within rounding of its threshold falls otherwise: of these 1280, one in a thousand
    # runs.
    def test_image_level_rewards(self):
        _, apart = self.compare("image_level", ["rss_image"], ["--method=rss_image", "--progressive=true"])
        self.expect_one_step(apart["rss_image"])

    # Without SyncAN a rank divides by its own standard deviation: another loss and another gradient, by far.
    def test_pixel_level_rewards(self):
        rows = ["rss/seed_2", "rss_syncan/seed_2"]
        _, apart = self.compare("pixel_level", rows, ["--table=1", "--rows=rss,rss_syncan"])
        self.expect_one_step(apart["rss_syncan/seed_2"])
        self.assertGreater(apart["rss/seed_2"].loss, 100 * ROUNDING)
        self.assertGreater(apart["rss/seed_2"].last_layer, 100 * ROUNDING)

    def test_evaluation_is_shared(self):
        output = folder("network")
        result = run([RSS, *TINY, "--method=psl", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        texts = []
        for count in (1, 2, 3):
            predictions = folder(f"predictions_{count}")
            text = self.run_ranks(count, [EVALUATE, f"--checkpoint={output}/psl/weights.safetensors", "--crop=32", "--limit=70",
                                          "--threads=1", f"--export={predictions}"]).stdout
            self.assertIn(predictions, text)
            texts.append(text.replace(predictions, "FOLDER"))
            self.assertEqual(len(os.listdir(predictions)), 70)
        self.assertIn("mIoU", texts[0])
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(texts[0], texts[2])

    def test_a_rank_is_killed(self):
        arguments = [RSS, *COMMON, "--method=rss_image", "--batch_size=2", "--checkpoint_every=3", "--resume"]
        whole, broken = folder("whole"), folder("broken")
        self.run_ranks(2, [*arguments, f"--output={whole}"])

        process = subprocess.Popen(ranks(2, [*arguments, f"--output={broken}"]), cwd=TEMPORARY, env=ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        checkpoints = os.path.join(broken, "rss_image/checkpoints")
        while process.poll() is None and not (os.path.isdir(checkpoints) and any(name.endswith(".safetensors") for name in os.listdir(checkpoints))):
            time.sleep(0.005)
        os.kill(rank_process(1, broken), signal.SIGKILL)
        start = time.monotonic()
        _, errors = process.communicate(timeout=50)
        print(f"the other rank ended after {time.monotonic() - start:.1f} s")
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("signal 9", errors)

        self.run_ranks(2, [*arguments, f"--output={broken}"])
        results = [open(os.path.join(output, "rss_image/weights.safetensors"), "rb") for output in (whole, broken)]
        self.assertEqual(*(file.read() for file in results))
        for file in results:
            file.close()

    # An error of one rank alone: the other is in the middle of a sum that will never come.
    def test_a_rank_has_an_error(self):
        script = os.path.join(RUNFILES, "experiments/rss/scorers/count_pixels.sh")
        scorer = f"--reward=exec:test $OMPI_COMM_WORLD_RANK = 0 || exit 7; exec sh {script} 1 0.5"
        result = run(ranks(2, [RSS, *TINY, "--method=rss_image", scorer, "--reward_restarts=0", f"--output={folder('error')}"]),
                     env=ENVIRONMENT, timeout=50)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("rank 1 of 2: the reward program", result.stderr)
        self.assertIn("exited with status 7", result.stderr)


def rank_process(rank, output):
    """The process of a rank of the run that writes to `output`."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/environ", "rb") as environment, open(f"/proc/{process}/cmdline", "rb") as command:
                if f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment.read().split(b"\0") and f"--output={output}".encode() in command.read():
                    return int(process)
        except OSError:
            pass
    raise AssertionError(f"there is no rank {rank}")


if __name__ == "__main__":
    unittest.main()
