"""Several ranks on CPUs: two with half the batch learn what one with the whole batch does, and when one dies the others do not wait."""

import array
import csv
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

from tests.end_to_end import commands
from tests.end_to_end.commands import EVALUATE, RSS, RUNFILES, TEMPORARY, TINY, folder, run

COMMON = ["--crop=32", "--scales=8,4", "--samples=4", "--steps=20", "--evaluate_every=10", "--log_every=1", "--threads=1", "--seed=2"]

ENVIRONMENT = {
    **os.environ,
    # Root in a container is no accident; a machine with two cores, shared memory only, no remote shell.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_plm_rsh_agent": "/bin/false",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "TMPDIR": "/tmp",  # a socket's path must be short
    "HOME": TEMPORARY,
}


def ranks(count, command):
    return ["mpirun", "-n", str(count), *command]


def read_weights(path):
    """{name: values} of the float32 tensors of a .safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = array.array("f", data[8 + length + begin : 8 + length + end])
    return tensors


def read_log(output, column):
    with open(os.path.join(output, "log.csv"), newline="") as file:
        return {int(row["step"]): float(row[column]) for row in csv.DictReader(file) if row[column] not in ("", "nan")}


def distance(first, second):
    """Of two networks: the norm of the difference over the norm."""
    difference = sum((a - b) ** 2 for name, values in first.items() for a, b in zip(values, second[name]))
    return (difference / sum(a * a for values in first.values() for a in values)) ** 0.5


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun (Debian: openmpi-bin)")
class DistributedTest(unittest.TestCase):
    def run_ranks(self, count, command):
        result = run(ranks(count, command), env=ENVIRONMENT)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def compare(self, rows, arguments, *, close):
        """Trains with one rank and with two, and compares each of `rows`, folders of runs. Returns what the two printed."""
        outputs = []
        texts = []
        for count in (1, 2):
            outputs.append(folder(f"{arguments[0].strip('-').replace('=', '_')}_{count}"))
            texts.append(self.run_ranks(count, [RSS, *COMMON, *arguments, f"--batch_size={4 // count}", f"--output={outputs[-1]}"]).stdout)
        for row in rows:
            one, two = (os.path.join(output, row) for output in outputs)
            losses = [read_log(path, "loss") for path in (one, two)]
            self.assertEqual(sorted(losses[0]), list(range(1, 21)))
            self.assertEqual(sorted(losses[1]), list(range(1, 21)))  # rank 0 logs, once
            difference = max(abs(losses[0][step] - losses[1][step]) for step in losses[0])
            apart = distance(*(read_weights(os.path.join(path, "weights.safetensors")) for path in (one, two)))
            # A draw whose probability lies within rounding of its threshold may fall otherwise: one action of thousands.
            print(f"{row}: losses differ by {difference:.2g}, weights by {apart:.2g}")
            self.assertEqual(close[row], difference < 5e-3 and apart < 2e-3, (row, difference, apart))
        return texts

    def test_supervised(self):
        texts = self.compare(["psl"], ["--method=psl"], close={"psl": True})
        self.assertEqual(texts[1].count("PSL (labels): mIoU"), 1)
        self.assertIn("2 ranks", texts[1])

    # Whole samples are dropped at random: the same ones, whichever rank has them.
    def test_stochastic_depth(self):
        self.compare(["psl"], ["--drop_path=0.5", "--model=segmenter_micro", "--method=psl"], close={"psl": True})

    def test_auxiliary_head(self):
        self.compare(["psl"], ["--auxiliary_weight=0.4", "--model=fcn_micro", "--method=psl"], close={"psl": True})

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
        self.compare(["psl"], ["--dataset=camvid", f"--data_root={root}", "--image_scale=1", "--method=psl"], close={"psl": True})

    def test_image_level_rewards(self):
        self.compare(["rss_image"], ["--method=rss_image", "--progressive=true"], close={"rss_image": True})

    # Without SyncAN a rank divides by its own standard deviation: another gradient.
    def test_pixel_level_rewards(self):
        self.compare(["rss/seed_2", "rss_syncan/seed_2"], ["--table=1", "--rows=rss,rss_syncan"],
                     close={"rss/seed_2": False, "rss_syncan/seed_2": True})

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
