"""A latent policy as a user runs it: without data, killed and resumed, on two ranks, evaluated with other signals than its
own, and asked for what it cannot do.
"""

import csv
import math
import os
import random
import re
import signal
import time
import unittest

from tests.end_to_end.commands import (COMPARE, CROSS_DOMAIN, EVALUATE, LATENT, PREDICT, CasesTest, folder, run, start,
                                       write_camvid, write_png)
from tests.end_to_end.fixtures import (checkpoints, read, read_png, read_safetensors, rows_of_log, scores,
                                       write_safetensors)
from tests.end_to_end.ranks import OPENED, ROUNDING, RanksTest, checkpoint, distance, gradients, read_log, read_tensors

# Seconds on one slow core; embedded scenes, of which an evaluation before the last sees four.
TINY = ["--crop=32", "--steps=6", "--batch_size=2", "--evaluation_images=4", "--evaluate_every=3", "--checkpoint_every=2",
        "--log_every=1", "--probe_every=2", "--threads=1"]
ROWS = {"plain": "network as it is", "zero": "attention, no signal", "pathwise": "labels alone through s (lambda 0)",
        "method": "latent policy"}
REWARDS = ["reward", "iou", "dice", "inverse_ce", "boundary_f"]
POLICY = ["sigma_low", "sigma_high"]
LEARNING = ["baseline", "ratio_low", "ratio_high", "clipped", "bounded", "kl", "within", "cosine_policy", "cosine_ce",
            "norm_policy", "norm_ce", "norm_kl"]
COLUMNS = {"plain": [], "zero": REWARDS, "pathwise": REWARDS + POLICY, "method": REWARDS + POLICY + LEARNING}

TABLE = None  # what the program prints of its default rows
ALL = folder("all")
PLAIN = os.path.join(ALL, "plain/weights.safetensors")
TRAINED = os.path.join(ALL, "method/weights.safetensors")


def setUpModule():
    global TABLE
    result = run([LATENT, *TINY, f"--output={ALL}"])
    assert result.returncode == 0, result.stderr
    TABLE = result.stdout


def printed_miou(text):
    return re.findall(r"mIoU (\d+\.\d\d) %", text)


class RowsTest(unittest.TestCase):
    def test_everything_is_written_without_data(self):
        lines = TABLE.splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("method "))
        for i, name in enumerate(ROWS.values()):
            self.assertTrue(lines[head + 2 + i].startswith(name), lines)
        self.assertIn("embedded scenes", TABLE)
        page = read(os.path.join(ALL, "report.html")).decode()
        self.assertIn("data:image/png;base64,", page)
        for caption in ("prediction without the policy", "where the two differ"):
            self.assertIn(caption, page)
        for row in ROWS:
            path = os.path.join(ALL, row)
            for name in ("weights.safetensors", "pictures/validation_1.png"):
                self.assertGreater(os.path.getsize(os.path.join(path, name)), 0, name)
            self.assertEqual(os.path.exists(os.path.join(path, "deviations.png")), row in ("pathwise", "method"), row)

    def test_the_log_says_what_the_policy_does(self):
        for row, columns in COLUMNS.items():
            steps = rows_of_log(os.path.join(ALL, row))
            self.assertEqual([line["step"] for line in steps], [str(i) for i in range(1, 7)])
            for name in COLUMNS["method"]:
                self.assertEqual(name in steps[0], name in columns, (row, name))
            for line in steps:
                self.assertTrue(all(math.isfinite(float(line[name])) for name in columns), line)
        first, *_, last = rows_of_log(os.path.join(ALL, "method"))
        # At the first step the reference is the policy.
        self.assertEqual((float(first["ratio_low"]), float(first["ratio_high"]), float(first["kl"])), (1, 1, 0))
        self.assertGreater(float(last["kl"]), 0)
        for line in rows_of_log(os.path.join(ALL, "method")):
            parts = [float(line[name]) for name in REWARDS[1:]]
            self.assertTrue(all(0 <= part <= 1 for part in parts), line)
            self.assertAlmostEqual(float(line["reward"]), sum(parts), places=4)
            self.assertTrue(0 <= float(line["within"]) <= 1 and float(line["sigma_low"]) <= float(line["sigma_high"]), line)

    def test_scores_with_other_signals(self):
        own = scores(os.path.join(ALL, "method"))
        for name in ("mIoU", "s = 0 mIoU", "sampled mIoU", "within", "cosine L_P", "cosine CE"):
            self.assertIn(name, own)
        self.assertNotIn("s = 0 mIoU", scores(os.path.join(ALL, "zero")))

    # Supervised training first, then reward alone, which begins with its weights and leaves all but the policy as it is.
    def test_schedules(self):
        output = folder("table_1")
        result = run([LATENT, *TINY, "--table=1", "--rows=sft,sft_rl", "--weight_decay=0", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        before, after = (read_tensors(os.path.join(output, row, "seed_0/weights.safetensors")) for row in ("sft", "sft_rl"))
        self.assertEqual(before.keys(), after.keys())
        for name in before:
            if "running" in name:
                continue
            if name.startswith("latent_policy"):
                self.assertNotEqual(before[name], after[name], name)
            else:
                self.assertEqual(before[name], after[name], name)


class CompareTest(unittest.TestCase):
    ROWS = {"labels": "labels", "balanced": "labels, classes alike", "rss": "RSS", "ciss": "CiSS-Net", "latent": "latent policy"}

    # All rows on one budget, of which CiSS-Net spends half on its features.
    def test_five_teachers(self):
        output = folder("compared")
        result = run([COMPARE, "--crop=32", "--steps=4", "--batch_size=2", "--evaluation_images=4", "--evaluate_every=0",
                      "--checkpoint_every=0", "--log_every=1", "--counted_images=4", "--threads=1", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("method "))
        for i, name in enumerate(self.ROWS.values()):
            self.assertTrue(lines[head + 2 + i].startswith(name), lines)
        steps = {row: len(rows_of_log(os.path.join(output, row))) for row in (*self.ROWS, "features")}
        self.assertEqual(steps, {row: 2 if row in ("ciss", "features") else 4 for row in steps})
        self.assertNotEqual(*(read_tensors(os.path.join(output, row, "weights.safetensors")) for row in ("labels", "balanced")))


class CrossDomainTest(CasesTest):
    TARGETS = ("night", "haze", "other")

    # By day, and then in each light: columns, scores, pictures, label counts; evaluate agrees with what training said.
    def test_scenes_in_other_lights(self):
        output = folder("cross_domain")
        table = self.succeed([CROSS_DOMAIN, *TINY, "--rows=plain,method", f"--output={output}"]).stdout
        head = next(line for line in table.splitlines() if line.startswith("method "))
        for target in self.TARGETS:
            self.assertIn(f"{target} mIoU %", head)
            self.assertIn(f"    {target}, 256 images: mIoU ", table)
        self.assertIn("10.7 (Cityscapes to Dark Zurich)", table)
        page = read(os.path.join(output, "report.html")).decode()
        for target in self.TARGETS:
            self.assertIn(f"Target {target}, never trained on", page)
        for row in ("plain", "method"):
            path = os.path.join(output, row)
            own = scores(path)
            for target in self.TARGETS:
                self.assertIn(f"{target} pixel accuracy", own)
                self.assertTrue(os.path.exists(os.path.join(path, f"pictures/{target}_1.png")))
            with open(os.path.join(path, "targets.csv"), newline="") as file:
                counts = {(line["target"], line["class"]): int(line["label pixels"]) for line in csv.DictReader(file)}
            self.assertEqual(sum(counts[key] for key in counts if key[0] == "night"), 256 * 32 * 32)
            self.assertEqual(counts["night", "ground"], counts["haze", "ground"])
            text = self.succeed([EVALUATE, f"--checkpoint={path}/weights.safetensors", "--scene_light=night", "--threads=1"]).stdout
            self.assertEqual(printed_miou(text), [f"{100 * own['night mIoU']:.2f}"])

    # People of one dataset, and of another whose class 10 is something else: each is resized to 473 x 473 for its scores,
    # by evaluate too.
    def test_from_lip_to_cihp(self):
        lip, cihp = folder("lip_source"), folder("cihp_target")

        def write_people(images, labels, names):
            draw = random.Random(5)
            os.makedirs(images)
            os.makedirs(labels)
            for name in names:
                write_png(os.path.join(images, name + ".png"), 40, 60, 3, draw.randbytes(40 * 60 * 3))
                write_png(os.path.join(labels, name + ".png"), 40, 60, 1, bytes(draw.choice((0, 5, 10, 14, 15)) for _ in range(40 * 60)))

        for split in ("train", "val"):
            write_people(f"{lip}/{split}_images", f"{lip}/{split}_segmentations", ["1_1", "2_2"])
        write_people(f"{cihp}/Validation/Images", f"{cihp}/Validation/Category_ids", ["0000012"])
        output = folder("parsing")
        table = self.succeed([CROSS_DOMAIN, *TINY, "--preset=quick", "--dataset=lip", f"--data_root={lip}", f"--target=cihp={cihp}",
                              "--rows=plain", "--steps=2", f"--output={output}"]).stdout
        self.assertIn("no label pixel of Hat, Hair", table)
        head = next(line for line in table.splitlines() if line.startswith("method "))
        for column in ("paper, cihp mIoU %", "measured, cihp mIoU %", "cihp mIoU without class 10 %"):
            self.assertIn(column, head)
        weights = os.path.join(output, "plain/weights.safetensors")
        own = scores(os.path.join(output, "plain"))
        command = [EVALUATE, f"--checkpoint={weights}", "--dataset=cihp", f"--data_root={cihp}", "--threads=1"]
        self.fail_with(1, command, "Jumpsuits", "Torso-skin", "--classes_by=position")
        text = self.succeed([*command, "--classes_by=position"]).stdout
        self.assertEqual(printed_miou(text), [f"{100 * own['cihp mIoU']:.2f}"])
        self.assertIn(f"mIoU without class 10 {100 * own['cihp mIoU without class 10']:.2f} %", text)

    # Another target for a network that is there: no step is made again.
    def test_one_more_target(self):
        output = folder("more_targets")
        command = [CROSS_DOMAIN, *TINY, "--rows=plain", f"--output={output}"]
        self.succeed([*command, "--target=scenes:night"])
        before = read(os.path.join(output, "plain/weights.safetensors"))
        self.succeed([*command, "--target=scenes:night,scenes:other", "--resume"])
        self.assertEqual(before, read(os.path.join(output, "plain/weights.safetensors")))
        self.assertIn("other mIoU", scores(os.path.join(output, "plain")))

    def test_targets_that_are_refused(self):
        camvid = folder("camvid_target")
        write_camvid(camvid)
        for i, (flags, parts, code) in enumerate((
            (["--target=scenes:fog"], ["--target=scenes:fog", "day, night, haze or other"], 2),
            (["--target=moon=/x"], ["'moon'"], 2),
            (["--target=cihp"], ["--target=cihp=DIR"], 2),
            (["--target="], ["--target is missing"], 2),
            ([f"--target=camvid={camvid}"], ["camvid has 11 classes", "scenes", "8"], 2),
            (["--target=cihp=/nowhere"], ["--target", "cihp", "/nowhere"], 1),
        )):
            with self.subTest(flags):
                output = folder(f"target_{i}")
                result = self.fail_with(code, [CROSS_DOMAIN, *TINY, *flags, f"--output={output}"], *parts)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                self.assertFalse(os.path.exists(os.path.join(output, "plain")), "training had begun")


class ResumeTest(unittest.TestCase):
    ARGUMENTS = [*TINY, "--rows=method", "--steps=30", "--evaluate_every=12", "--checkpoint_every=3", "--probe_every=5", "--seed=5"]

    # Weights, the log with what it says of reference and baseline, and the picture of sigma over time.
    def test_killed_and_resumed(self):
        whole, broken = folder("whole"), folder("broken")
        result = run([LATENT, *self.ARGUMENTS, f"--output={whole}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        draw, kills, path = random.Random(7), 0, os.path.join(broken, "method")
        for _ in range(3):
            had = checkpoints(path)
            process = start([LATENT, *self.ARGUMENTS, "--resume", f"--output={broken}"])
            while process.poll() is None and checkpoints(path)[-1:] == had[-1:]:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.1))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
        self.assertGreater(kills, 0, "the run was over before it could be killed")
        newest = os.path.join(path, "checkpoints", checkpoints(path)[-1])
        state = read_safetensors(newest)[0]
        for name in ("baseline.value", "reference.mean.bias"):
            self.assertTrue(any(key.endswith(name) for key in state), state.keys())
        result = run([LATENT, *self.ARGUMENTS, "--resume", f"--output={broken}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("weights.safetensors", "log.csv", "deviations.png"):
            self.assertEqual(*(read(os.path.join(output, "method", name)) for output in (whole, broken)), name)
        self.assertEqual(*(scores(os.path.join(output, "method")) for output in (whole, broken)))


class LatentRanksTest(RanksTest):
    COMMON = [*TINY, "--rows=method", "--steps=1", "--checkpoint_every=1", "--probe_every=0", "--seed=2"]

    # The first step of two ranks is that of one with the whole batch; half the batch is the control. Where π is π_old, the
    # policy's own gradient is that of the images' draws and rewards.
    def test_two_ranks_are_one_with_the_whole_batch(self):
        outputs = {}
        for name, count, images in (("two", 2, 2), ("one", 1, 4), ("half", 1, 2)):
            outputs[name] = folder(f"ranks_{name}")
            self.run_ranks(count, [LATENT, *self.COMMON, f"--batch_size={images}", f"--output={outputs[name]}"])
        first = {name: read_tensors(checkpoint(output, "method", 1)) for name, output in outputs.items()}
        zeros = {name: [0] * len(values) for name, values in first["one"].items()}
        steps = {name: gradients(zeros, state) for name, state in first.items()}
        logs = {name: {column: read_log(os.path.join(output, "method"), column)[1] for column in ("loss", "reward", "baseline")}
                for name, output in outputs.items()}
        apart = {name: (abs(logs[name]["loss"] - logs["one"]["loss"]) / max(1, abs(logs["one"]["loss"])),
                        *(distance(steps[name], steps["one"], part) for part in ("classifier", "latent_policy.mean", "")))
                 for name in ("two", "half")}
        print(apart, logs)
        for column in ("reward", "baseline"):
            self.assertLess(abs(logs["two"][column] - logs["one"][column]), ROUNDING * max(1, abs(logs["one"][column])), column)
        self.assertLess(apart["two"][0], ROUNDING)
        self.assertLess(max(apart["two"][1:]), OPENED)
        self.assertGreater(min(apart["half"][1:]), 2 * OPENED)


class InferenceTest(CasesTest):
    def evaluate(self, *flags):
        return self.succeed([EVALUATE, f"--checkpoint={TRAINED}", "--threads=1", *flags]).stdout

    def test_the_mean_is_what_training_scored(self):
        of_training = re.search(r"  latent policy: mIoU (\d+\.\d\d) %", TABLE).group(1)
        for flags in (["--signal=mean"], []):
            self.assertEqual(printed_miou(self.evaluate(*flags)), [of_training])

    def test_other_signals(self):
        own = scores(os.path.join(ALL, "method"))
        for flag, name in (("zero", "s = 0 mIoU"), ("sample", "sampled mIoU")):
            text = self.evaluate(f"--signal={flag}")
            self.assertEqual(printed_miou(text), [f"{100 * own[name]:.2f}"])
            self.assertIn(f"note: the signal is {flag}, by --signal; in training it was mean", text)

    def test_predict(self):
        photos = folder("photos")
        os.makedirs(photos)
        write_png(os.path.join(photos, "a.png"), 50, 37, 3, random.Random(2).randbytes(50 * 37 * 3))
        for flags in ([], ["--signal=zero"]):
            maps = folder("maps" + "".join(flags).strip("-"))
            self.succeed([PREDICT, f"--checkpoint={TRAINED}", f"--input={photos}", f"--output={maps}", *flags])
            self.assertEqual(read_png(os.path.join(maps, "a.png"))[:2], (50, 37))

    def test_a_checkpoint_knows_its_policy(self):
        newest = os.path.join(ALL, "method/checkpoints", checkpoints(os.path.join(ALL, "method"))[-1])
        text = self.succeed([EVALUATE, f"--checkpoint={newest}", "--limit=2", "--threads=1"]).stdout
        self.assertIn("latent policy with attention of 8 heads, a draw a position", text)


class BadInputTest(CasesTest):
    def refuse(self, command, *parts, code=2):
        result = self.fail_with(code, command, *parts)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)

    def test_flags_of_training(self):
        for i, (flags, parts) in enumerate((
            (["--modulation_heads=7"], ["--modulation_heads=7", "does not divide"]),
            (["--modulation=magic"], ["--modulation", "attention"]),
            (["--baseline=leave_one_out"], ["--baseline=leave_one_out", "--draws=2"]),
            (["--advantage_low=2"], ["--advantage_low=2", "--advantage_high"]),
            (["--reference_decay=1"], ["--reference_decay=1", "[0, 1)"]),
            (["--draws=0"], ["--draws=0", "at least 1"]),
            (["--capture"], ["--capture", "--probe_every=0"]),
            (["--draw=channel", "--rows=method", "--batch_size=1"], ["--batch_size=1"]),
        )):
            with self.subTest(flags):
                self.refuse([LATENT, *TINY, *flags, f"--output={folder(f'refused_{i}')}"], *parts)

    def test_networks_without_a_policy(self):
        self.refuse([EVALUATE, f"--checkpoint={PLAIN}", "--signal=zero"], "--signal", "FCN", "no latent policy")

    def test_weights_without_their_policy(self):
        tensors, metadata = read_safetensors(TRAINED)
        broken = folder("no_policy.safetensors")
        write_safetensors(broken, {name: value for name, value in tensors.items() if not name.startswith("latent_policy.")}, metadata)
        result = run([EVALUATE, f"--checkpoint={broken}", "--limit=2"])
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("does not fit the model", result.stderr.splitlines()[0])
        wrong = folder("wrong_policy.safetensors")
        write_safetensors(wrong, tensors, {**metadata, "latent": metadata["latent"].replace("attention", "magic")})
        self.refuse([EVALUATE, f"--checkpoint={wrong}", "--limit=2"], "metadata 'latent'", code=1)


if __name__ == "__main__":
    unittest.main()
