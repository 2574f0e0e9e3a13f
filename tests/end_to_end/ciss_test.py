"""CiSS-Net as a user runs it: without data, killed and resumed, with asynchronous workers, on two ranks, evaluated with
other contexts than its own, and asked for what it cannot do.
"""

import csv
import json
import math
import os
import random
import re
import signal
import time
import unittest

from tests.end_to_end.commands import CISS, EVALUATE, PREDICT, CasesTest, folder, run, start, write_png
from tests.end_to_end.fixtures import checkpoints, read, read_png, read_safetensors, scores, write_safetensors
from tests.end_to_end.ranks import OPENED, ROUNDING, RanksTest, checkpoint, distance, gradients, read_log, read_tensors

# Seconds on one slow core; embedded scenes, of which an evaluation before the last sees four.
TINY = ["--crop=32", "--steps=6", "--batch_size=2", "--pretraining_steps=4", "--evaluation_images=4",
        "--evaluate_every=3", "--checkpoint_every=2", "--log_every=1", "--threads=1"]
ROWS = {"pspnet": "PSPNet", "base": "Base", "pmap": "Base + Bias, p-map", "ciss": "CiSS-Net"}
COLUMNS = {"base": [], "pmap": ["reward", "adopted", "precision"],
           "ciss": ["reward", "adopted", "precision", "entropy", "explained"]}

TABLE = None  # what the program prints of its default rows
ALL = folder("all")
FEATURES = os.path.join(ALL, "pspnet/weights.safetensors")
TRAINED = os.path.join(ALL, "ciss/weights.safetensors")


def setUpModule():
    global TABLE
    result = run([CISS, *TINY, f"--output={ALL}"])
    assert result.returncode == 0, result.stderr
    TABLE = result.stdout


def rows_of_log(path):
    with open(os.path.join(path, "log.csv"), newline="") as file:
        return list(csv.DictReader(file))


def printed_miou(text):
    """The percents that follow the name, or stand in a line of a number of steps."""
    return re.findall(r"mIoU (\d+\.\d\d) %", text) + re.findall(r"(?:steps|Base alone) +(\d+\.\d\d) ", text)


class RowsTest(unittest.TestCase):
    def test_one_method_learns_its_features_first(self):
        output = folder("one_method")
        result = run([CISS, *TINY, "--method=ciss", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(read_tensors(os.path.join(output, "ciss/weights.safetensors")), read_tensors(TRAINED))
        self.assertNotIn("PSPNet  ", result.stdout[result.stdout.index("method "):])  # run, and not shown

    def test_everything_is_written_without_data(self):
        lines = TABLE.splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("method "))
        for column in ("mIoU %", "pixel accuracy %", "adopted %", "precision %"):
            self.assertIn(column, lines[head])
        for i, name in enumerate(ROWS.values()):
            self.assertTrue(lines[head + 2 + i].startswith(name), lines)
        self.assertIn("embedded scenes", TABLE)

        page = read(os.path.join(ALL, "report.html")).decode()
        self.assertIn("data:image/png;base64,", page)
        self.assertNotIn("http://", page.replace("http://www.w3.org", ""))
        for caption in ("p-map t=0", "context t=1 (white: uncertain)", "CiSS-Net", "adopted"):
            self.assertIn(caption, page)
        for row in ROWS:
            path = os.path.join(ALL, row)
            self.assertTrue(all(0 <= value <= 1 for value in scores(path).values()), scores(path))
            for name in ("weights.safetensors", "pictures/validation_1.png", "pictures/validation_6.png"):
                self.assertGreater(os.path.getsize(os.path.join(path, name)), 0, name)

    # Image, label, prediction and errors, and before the prediction a p-map and a context of each step.
    def test_pictures_show_the_steps(self):
        plain = read_png(os.path.join(ALL, "base/pictures/validation_1.png"))
        steps = read_png(os.path.join(ALL, "ciss/pictures/validation_1.png"))
        gap = (plain[0] - 4 * 32) // 3
        self.assertEqual(steps[0], 8 * 32 + 7 * gap)
        self.assertEqual(steps[1], plain[1])

    def test_the_log_says_what_was_adopted(self):
        for row, columns in COLUMNS.items():
            steps = [line for line in rows_of_log(os.path.join(ALL, row)) if line["loss"]]
            self.assertEqual([line["step"] for line in steps], [str(i) for i in range(1, 7)])
            for name in COLUMNS["ciss"]:
                self.assertEqual(name in steps[0], name in columns, name)
            for line in steps:
                self.assertTrue(all(math.isfinite(float(line[name])) for name in columns), line)
        ciss, full = (rows_of_log(os.path.join(ALL, row)) for row in ("ciss", "pmap"))
        for line in filter(lambda line: line["loss"], ciss):
            self.assertTrue(0 < float(line["adopted"]) < 1 and 0 <= float(line["precision"]) <= 1, line)
            self.assertTrue(0 < float(line["entropy"]) <= math.log(2) * (1 + ROUNDING), line)
            self.assertLessEqual(float(line["explained"]), 1, line)
        self.assertEqual({line["adopted"] for line in full if line["loss"]}, {"1"})

    def test_scores_by_the_number_of_steps(self):
        ciss = scores(os.path.join(ALL, "ciss"))
        self.assertEqual(ciss["t=2 mIoU"], ciss["mIoU"])
        for name in ("t=0 mIoU", "t=4 mIoU", "t=6 pixel accuracy", "adopted", "precision", "AUC", "confidence AUC",
                     "swap full", "swap random", "swap right"):
            self.assertIn(name, ciss)
        self.assertNotIn("AUC", scores(os.path.join(ALL, "pmap")))  # nothing has trained its C-Net
        self.assertNotIn("t=0 mIoU", scores(os.path.join(ALL, "base")))

    # The rows of a table that share a run, and the hidden row of the features.
    def test_table_of_steps(self):
        output = folder("table_1")
        result = run([CISS, *TINY, "--table=1", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        shown = [line for line in result.stdout.splitlines() if re.match(r"\d steps +\d", line)]
        self.assertEqual([line.split()[0] for line in shown], ["0", "2", "4", "6"])
        ciss = scores(os.path.join(output, "ciss/seed_0"))
        for line in shown:
            self.assertIn(f"{100 * ciss[f't={line[0]} mIoU']:.2f}", line)
        self.assertTrue(os.path.exists(os.path.join(output, "pspnet/seed_0/weights.safetensors")))


class ResumeTest(unittest.TestCase):
    ARGUMENTS = [*TINY, "--rows=ciss", f"--cold_start={FEATURES}", "--steps=30", "--evaluate_every=12",
                 "--checkpoint_every=3", "--average_decay=0.9", "--seed=5"]

    def kill(self, output, times, arguments, draw):
        """Kills the run that often, each time at a random moment after its next checkpoint."""
        kills, path = 0, os.path.join(output, "ciss")
        for _ in range(times):
            had = checkpoints(path)
            process = start([CISS, *arguments, "--resume", f"--output={output}"])
            while process.poll() is None and checkpoints(path)[-1:] == had[-1:]:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.1))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
            yield path
        self.assertGreater(kills, 0, "the run was over before it could be killed")

    def test_killed_and_resumed(self):
        whole, broken = folder("whole"), folder("broken")
        result = run([CISS, *self.ARGUMENTS, f"--output={whole}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        for _ in self.kill(broken, 3, self.ARGUMENTS, random.Random(7)):
            pass
        result = run([CISS, *self.ARGUMENTS, "--resume", f"--output={broken}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("weights.safetensors", "log.csv"):
            self.assertEqual(*(read(os.path.join(output, "ciss", name)) for output in (whole, broken)), name)
        self.assertEqual(*(scores(os.path.join(output, "ciss")) for output in (whole, broken)))

    # Several workers are not repeatable; what a killed run leaves is whole all the same.
    def test_killed_with_workers(self):
        arguments = [*self.ARGUMENTS, "--workers=2", "--threads=2"]
        output = folder("workers")
        for path in self.kill(output, 3, arguments, random.Random(11)):
            newest = os.path.join(path, "checkpoints", checkpoints(path)[-1])
            tensors, metadata = read_safetensors(newest)
            self.assertEqual(int(metadata["step"]), int(re.findall(r"\d+", os.path.basename(newest))[0]))
            sizes = {"F32": 4, "I64": 8, "U8": 1}
            for name, (kind, shape, values) in tensors.items():
                self.assertEqual(len(values), sizes[kind] * math.prod(shape), name)
            result = run([EVALUATE, f"--checkpoint={newest}", "--limit=2", "--threads=1"])
            self.assertEqual(result.returncode, 0, result.stderr)
        result = run([CISS, *arguments, "--resume", f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        steps = [line for line in rows_of_log(os.path.join(output, "ciss")) if line["loss"]]
        self.assertEqual([int(line["step"]) for line in steps], list(range(1, 31)))
        self.assertTrue(all(0 <= float(line["staleness"]) < 30 for line in steps), steps)
        self.assertIn("mIoU", scores(os.path.join(output, "ciss")))


class CissRanksTest(RanksTest):
    COMMON = [*TINY, "--rows=ciss", f"--cold_start={FEATURES}", "--steps=2", "--checkpoint_every=1", "--seed=2"]

    # From the same bits, the first step of two ranks is that of one with the whole batch: the loss has the logarithm of
    # the probability of every action that was drawn, so that one draw that fell otherwise shows in it, and in the number
    # of adopted labels, which is exact. A rank that drops its share leaves the gradient of the other's images, as half the
    # batch has one: the control. C-Net's gradients are also compared alone, as no cross-entropy reaches them.
    def test_two_ranks_are_one_with_the_whole_batch(self):
        outputs = {}
        for name, count, images in (("two", 2, 2), ("one", 1, 4), ("half", 1, 2)):
            outputs[name] = folder(f"ranks_{name}")
            text = self.run_ranks(count, [CISS, *self.COMMON, f"--batch_size={images}", f"--output={outputs[name]}"]).stdout
            self.assertEqual(text.count("CiSS-Net: mIoU"), 1)
            self.assertIn("AUC", scores(os.path.join(outputs[name], "ciss")))
        logs = {name: {column: read_log(os.path.join(output, "ciss"), column)[1] for column in ("loss", *COLUMNS["ciss"])}
                for name, output in outputs.items()}
        # AdamW's first moments are zero before the first step.
        first = {name: read_tensors(checkpoint(output, "ciss", 1)) for name, output in outputs.items()}
        zeros = {name: [0] * len(values) for name, values in first["one"].items()}
        steps = {name: gradients(zeros, state) for name, state in first.items()}
        self.assertTrue(any("context." in name for name in steps["one"]), steps["one"].keys())

        def loss_apart(name):
            return abs(logs[name]["loss"] - logs["one"]["loss"]) / max(1, abs(logs["one"]["loss"]))

        apart = {name: (loss_apart(name), *(distance(steps[name], steps["one"], part) for part in ("base.classifier", "context.", "")))
                 for name in ("two", "half")}
        print(apart, logs)
        self.assertEqual(logs["two"]["adopted"], logs["one"]["adopted"])
        for column in ("reward", "entropy"):
            self.assertLess(abs(logs["two"][column] - logs["one"][column]), ROUNDING * max(1, abs(logs["one"][column])), column)
        loss, last_layer, context, gradient = apart["two"]
        self.assertLess(max(loss, last_layer), ROUNDING)
        self.assertLess(max(context, gradient), OPENED)
        self.assertGreater(min(apart["half"][1:]), 2 * OPENED)

    def test_evaluation_is_shared(self):
        texts = [self.run_ranks(count, [EVALUATE, f"--checkpoint={TRAINED}", "--limit=30", "--context_steps=0,2", "--threads=1"]).stdout
                 for count in (1, 2)]
        self.assertEqual(len(printed_miou(texts[0])), 2)
        self.assertEqual(*texts)


class InferenceTest(CasesTest):
    def evaluate(self, *flags):
        return self.succeed([EVALUATE, f"--checkpoint={TRAINED}", "--threads=1", *flags]).stdout

    def test_numbers_of_steps(self):
        of_training = scores(os.path.join(ALL, "ciss"))
        text = self.evaluate("--context_steps=0,2,4,6")
        contexts = [re.split("  +", line)[0] for line in text.splitlines() if line.startswith(("Base alone", "agent, "))]
        self.assertEqual(contexts, ["Base alone", "agent, 2 steps", "agent, 4 steps", "agent, 6 steps"])
        self.assertEqual(printed_miou(text), [f"{100 * of_training[f't={steps} mIoU']:.2f}" for steps in (0, 2, 4, 6)])

    def test_two_steps_are_what_training_scored(self):
        of_training = re.search(r"  CiSS-Net: mIoU (\d+\.\d\d) %", TABLE).group(1)
        for flags in (["--context_steps=2"], []):
            self.assertEqual(printed_miou(self.evaluate(*flags)), [of_training])

    def test_other_contexts(self):
        own = scores(os.path.join(ALL, "ciss"))
        for rule in ("full", "empty"):
            text = self.evaluate(f"--context={rule}")
            self.assertIn(f"context: {rule}, 2 steps", text)
            # The analysis has an image at a time, the evaluation several, which round otherwise: a few of the 2^18 pixels
            # may have another class, of unions of thousands in a mean over ten.
            self.assertAlmostEqual(float(printed_miou(text)[0]), 100 * own[f"swap {rule}"], delta=0.02)

    def test_predict_shows_the_steps(self):
        photos = folder("photos")
        os.makedirs(photos)
        draw = random.Random(2)
        write_png(os.path.join(photos, "a.png"), 50, 37, 3, draw.randbytes(50 * 37 * 3))
        names = ["a.png", "a_overlay.png"]
        steps = ["a_context0.png", "a_context1.png", "a_t0.png", "a_t1.png", "a_t2.png"]
        for rule, white in (("agent", None), ("full", 0), ("empty", 37 * 50)):
            maps = folder(f"maps_{rule}")
            self.succeed([PREDICT, f"--checkpoint={TRAINED}", f"--input={photos}", f"--output={maps}", "--context_steps=2",
                          f"--context={rule}", "--show_context"])
            self.assertEqual(sorted(os.listdir(maps)), sorted(names + steps))
            for name in steps:
                width, height, rows = read_png(os.path.join(maps, name))
                self.assertEqual((width, height), (50, 37))
                if white is not None and "context" in name:
                    pixels = [row[i : i + 3] for row in rows for i in range(0, 3 * width, 3)]
                    self.assertEqual(pixels.count(b"\xff\xff\xff"), white, name)
        # Without steps there is Base alone, and nothing else to show.
        maps = folder("maps_base")
        self.succeed([PREDICT, f"--checkpoint={TRAINED}", f"--input={photos}", f"--output={maps}", "--context_steps=0", "--show_context"])
        self.assertEqual(sorted(os.listdir(maps)), sorted([*names, "a_t0.png"]))


class BadInputTest(CasesTest):
    def refuse(self, command, *parts, code=2):
        """One line, and nothing in --output, which the command has last."""
        result = self.fail_with(code, command, *parts)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        for argument in command:
            if argument.startswith("--output="):
                self.assertFalse(os.path.exists(argument[len("--output="):]), argument)

    def test_flags_of_training(self):
        for flags, parts in (
            (["--context_steps=-1"], ["--context_steps=-1 must be at least 0"]),
            (["--model=pspnet_micro"], ["--model=pspnet_micro has no context net", "ciss_micro"]),
            (["--model=ciss_giant"], ["--model", "'giant'", "resnet50"]),
            (["--reward_window=4"], ["--reward_window=4", "odd"]),
            (["--workers=50"], ["--workers=50", "6 batches of --steps"]),
            (["--rows=ciss", "--crop=32", "--model=ciss_resnet50"],
             ["--crop", "32×32", "features of 4", "pools 6", "--crop=64 or more"]),
            (["--table=9"], ["--table=9 is not one of 1, 2, 3, 4, 5, 6, controls"]),
            (["--context=full"], ["--context"]),  # rows of the tables differ by it
            (["--discount=1.5"], ["--discount=1.5", "in [0, 1]"]),
            (["--dataset=nothing", "--crop=0"], ["--dataset=nothing is unknown"]),
        ):
            with self.subTest(flags):
                self.refuse([CISS, *TINY, *flags, f"--output={folder('refused')}"], *parts)

    # The paper's own settings get as far as the data.
    def test_paper_without_its_data(self):
        self.refuse([CISS, "--preset=paper", "--data_root=/nowhere", f"--output={folder('paper')}"], "/nowhere", code=1)

    def test_networks_without_context(self):
        for flag in ("--context_steps=2", "--context=full", "--sample_context", "--share=0.5", "--confidence=0.5"):
            self.refuse([EVALUATE, f"--checkpoint={FEATURES}", flag], flag.partition("=")[0], "PSPNet", "no context net")
        photo = folder("photo.png")
        write_png(photo, 32, 32, 3, bytes(32 * 32 * 3))
        command = [PREDICT, f"--input={photo}", f"--output={folder('no_maps')}"]
        self.refuse([*command, f"--checkpoint={FEATURES}", "--show_context"], "--show_context", "PSPNet", "no context net")
        self.refuse([*command, f"--checkpoint={TRAINED}", "--context_steps=0,2"], "--context_steps", "one number")
        self.refuse([*command, f"--checkpoint={TRAINED}", "--context_steps=-1"], "--context_steps", "at least 0")

    def test_weights_without_their_context_net(self):
        tensors, metadata = read_safetensors(TRAINED)
        broken = folder("no_context_net.safetensors")
        write_safetensors(broken, {name: value for name, value in tensors.items() if not name.startswith("context.")}, metadata)
        # A line that says what does not fit, and the tensors below it.
        result = run([EVALUATE, f"--checkpoint={broken}", "--limit=2"])
        self.assertEqual(result.returncode, 1, result.stderr)
        missing = sum(name.startswith("context.") for name in tensors)
        self.assertEqual(result.stderr.splitlines()[0], f"evaluate: '{broken}' does not fit the model: loaded {len(tensors) - missing} tensors, "
                         f"{missing} missing, 0 of another shape or type, 0 unexpected")
        self.assertIn("  context.encoder.branches.0.conv.weight\n", result.stderr)
        self.assertNotIn("internal error", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_metadata_of_another_kind(self):
        tensors, metadata = read_safetensors(TRAINED)
        broken = folder("bad_context.safetensors")
        self.assertIn("context_steps", json.loads(metadata["context"]))
        for wrong in ("2", json.dumps({"context_steps": "-1"}), json.dumps({"context": "guess"})):
            write_safetensors(broken, tensors, {**metadata, "context": wrong})
            self.refuse([EVALUATE, f"--checkpoint={broken}", "--limit=2"], broken, "'context'", code=1)


if __name__ == "__main__":
    unittest.main()
