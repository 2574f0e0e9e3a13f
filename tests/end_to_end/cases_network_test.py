"""What a trained network's file says, and the files that users take for one: scores are those of training, and nothing is scored that is not meant."""

import json
import math
import os
import pickle
import re
import struct
import unittest
import zipfile

from tests.end_to_end import commands, fixtures
from tests.end_to_end.commands import EVALUATE, PREDICT, RSS, TINY, CasesTest, folder, run

SCORES = re.compile(r"(\S(?:[^%:]*\S)?) (\d+\.\d\d) %")


def scores_of_training(text):
    """The line of the trained network: "  PSL (labels): mIoU 12.34 %, pixel accuracy 56.78 %, …"."""
    line = re.search(r"^  \S.*?: (mIoU .*), \d+ s,", text, re.MULTILINE)[1]
    return SCORES.findall(line.replace(", ", "   "))


def scores_of_evaluate(text):
    return SCORES.findall(re.search(r"^mIoU .*$", text, re.MULTILINE)[0])


def mean_iou(pairs, classes=11):
    """In percent, of (predicted rows, true rows): the mean over the classes that occur, in prediction or truth, where there is a label."""
    both, either = [0] * classes, [0] * classes
    for prediction, truth in pairs:
        for predicted, true in zip(b"".join(prediction), b"".join(truth)):
            if true >= classes:
                continue
            both[true] += predicted == true
            either[true] += 1
            either[predicted] += predicted != true
    return 100 * sum(b / e for b, e in zip(both, either) if e) / sum(e > 0 for e in either)


class ScoredAsInTrainingTest(CasesTest):
    @classmethod
    def setUpClass(cls):
        cls.root = folder("camvid")
        fixtures.write_rough_camvid(cls.root)

    def camvid(self, *flags):
        return ["--dataset=camvid", f"--data_root={self.root}", *flags]

    def train(self, name, *flags):
        output = folder(name)
        result = self.succeed([RSS, "--method=psl", "--steps=30", "--batch_size=2", "--crop=32", "--threads=1", "--evaluate_every=0",
                               *self.camvid(), *flags, f"--output={output}"])
        scores = scores_of_training(result.stdout)
        self.assertEqual([score for score, _ in scores], ["mIoU", "pixel accuracy", "class accuracy"])
        return f"{output}/psl/weights.safetensors", scores

    def expect_scores(self, checkpoint, scores):
        exported, maps = checkpoint + ".export", checkpoint + ".maps"
        result = self.succeed([EVALUATE, f"--checkpoint={checkpoint}", f"--data_root={self.root}", "--threads=1", f"--export={exported}"])
        self.assertEqual(scores_of_evaluate(result.stdout), scores)
        self.assertNotIn("note", result.stdout)
        self.succeed([PREDICT, f"--checkpoint={checkpoint}", f"--input={self.root}/val", f"--output={maps}", "--threads=1"])
        names = os.listdir(f"{self.root}/val")
        pairs = [(fixtures.read_png(f"{maps}/{name}")[2], fixtures.read_png(f"{self.root}/valannot/{name}")[2]) for name in names]
        self.assertEqual(f"{mean_iou(pairs):.2f}", dict(scores)["mIoU"])
        for name in names:
            self.assertEqual(fixtures.read_png(f"{exported}/{name}")[2], fixtures.read_png(f"{maps}/{name}")[2])

    # The preset for photographs halves them.
    def test_scale(self):
        checkpoint, scores = self.train("half")
        self.expect_scores(checkpoint, scores)
        self.assertIn("0.5", fixtures.read_safetensors(checkpoint)[1]["inference"])
        # The last checkpoint describes itself as well.
        steps = os.path.join(os.path.dirname(checkpoint), "checkpoints")
        self.expect_scores(os.path.join(steps, sorted(name for name in os.listdir(steps) if name.endswith(".safetensors"))[-1]), scores)
        # Flags count, and it is said.
        for program, flags in ((EVALUATE, [f"--data_root={self.root}"]), (PREDICT, [f"--input={self.root}/val", f"--output={folder('whole_size')}"])):
            result = self.succeed([program, f"--checkpoint={checkpoint}", "--image_scale=1", *flags])
            self.assertIn("note: images at 1 of their size, by --image_scale; in training at 0.5", result.stdout)
            result = self.succeed([program, f"--checkpoint={checkpoint}", "--image_scale=0.5", *flags])
            self.assertNotIn("note", result.stdout)
        for flag, said in (("--window=32", "window"), ("--average_logits", "average_logits")):
            result = self.succeed([EVALUATE, f"--checkpoint={checkpoint}", f"--data_root={self.root}", flag])
            self.assertRegex(result.stdout, rf"note: .*--{said}")
        self.expect_scores(*self.train("whole", "--image_scale=1"))

    def test_bfloat16(self):
        self.expect_scores(*self.train("bfloat16", "--precision=bfloat16", "--image_scale=0.5"))

    def test_average(self):
        checkpoint, scores = self.train("average", "--average_decay=0.9")
        self.expect_scores(checkpoint, scores)
        steps = os.path.join(os.path.dirname(checkpoint), "checkpoints")
        self.expect_scores(os.path.join(steps, sorted(name for name in os.listdir(steps) if name.endswith(".safetensors"))[-1]), scores)

    def test_windows(self):
        self.expect_scores(*self.train("windows", "--image_scale=0.75", "--window=32", "--stride=10"))
        self.expect_scores(*self.train("logits", "--image_scale=1", "--window=32", "--average_logits"))

    # Networks for rewards, another size of crop, an auxiliary head that only training has.
    def test_other_networks(self):
        checkpoint, scores = self.train("auxiliary", "--model=fcn_micro", "--auxiliary_weight=0.4")
        self.expect_scores(checkpoint, scores)

    # A file of before: how it was scored is not known, and that is said.
    def test_files_of_before(self):
        checkpoint, _ = self.train("before")
        tensors, metadata = fixtures.read_safetensors(checkpoint)
        for name in ("data", "inference", "precision"):
            metadata.pop(name)
        metadata["classes"] = ",".join(json.loads(metadata["classes"]))
        fixtures.write_safetensors(folder("before.safetensors"), tensors, metadata)
        result = self.succeed([EVALUATE, f"--checkpoint={folder('before.safetensors')}", *self.camvid("--image_scale=0.5")])
        self.assertIn("note: the file does not say how its network was scored; images are taken at 0.5", result.stdout)
        result = self.succeed([PREDICT, f"--checkpoint={folder('before.safetensors')}", f"--input={self.root}/val", f"--output={folder('maps_before')}"])
        self.assertIn("note: the file does not say at which scale", result.stdout)

    def test_windows_without_gaps(self):
        checkpoint, _ = self.train("gaps", "--image_scale=1")
        evaluate = [EVALUATE, f"--checkpoint={checkpoint}", f"--data_root={self.root}"]
        predict = [PREDICT, f"--checkpoint={checkpoint}", f"--input={self.root}/val", f"--output={folder('gap_maps')}"]
        training = [RSS, *TINY, *self.camvid(f"--output={folder('gap_run')}")]
        for command in (evaluate, predict, training):
            with self.subTest(command[0]):
                self.fail_with(2, [*command, "--window=32", "--stride=64"], "--stride=64", "--window=32")
                self.fail_with(2, [*command, "--window=32", "--stride=33"], "--stride=33", "--window=32")
                self.fail_with(2, [*command, "--stride=16"], "--stride=16", "--window")
                self.fail_with(2, [*command, "--window=0", "--stride=16"], "--stride=16", "--window")
        for command in (evaluate, predict):
            self.fail_with(2, [*command, "--test_scales=0.5,1"], "--test_scales", "--multi_scale")
            self.fail_with(2, [*command, "--multi_scale", "--test_scales=0"], "--test_scales=0")
        self.assertFalse(os.path.exists(folder("gap_maps")))
        # As wide as the window leaves no gap.
        self.succeed([*evaluate, "--window=32", "--stride=32"])
        # With a network that was trained with windows a stride alone has a window.
        windowed, _ = self.train("windowed", "--image_scale=1", "--window=32")
        self.succeed([EVALUATE, f"--checkpoint={windowed}", f"--data_root={self.root}", "--stride=8"])
        self.fail_with(2, [EVALUATE, f"--checkpoint={windowed}", f"--data_root={self.root}", "--stride=40"], "--stride=40", "--window=32")


class OtherClassesTest(CasesTest):
    def test_scores_of_other_classes_are_refused(self):
        root = folder("eleven_camvid")
        commands.write_camvid(root)
        output = folder("eleven")
        self.succeed([RSS, *TINY, "--method=psl", "--scene_classes=11", f"--output={output}"])
        evaluate = [EVALUATE, f"--checkpoint={output}/psl/weights.safetensors"]
        other = ["--dataset=camvid", f"--data_root={root}"]
        names = json.loads(fixtures.read_safetensors(f"{output}/psl/weights.safetensors")[1]["classes"])
        first, truth = next((i, pair[1]) for i, pair in enumerate(zip(names, ("Sky", "Building", "Pole"))) if pair[0] != pair[1])
        result = self.fail_with(1, [*evaluate, *other], f"class {first} of its network is '{names[first]}', of --dataset=camvid '{truth}'",
                                "--classes_by=position")
        self.assertNotIn("mIoU", result.stdout)
        self.assertIn("mIoU", self.succeed([*evaluate, *other, "--classes_by=position"]).stdout)
        # Another number of classes cannot be insisted on.
        self.succeed([RSS, *TINY, "--method=psl", "--scene_classes=5", f"--output={folder('five')}"])
        evaluate = [EVALUATE, f"--checkpoint={folder('five')}/psl/weights.safetensors"]
        self.fail_with(1, [*evaluate, *other], "11 classes", "5")
        self.fail_with(1, [*evaluate, *other, "--classes_by=position"], "11 classes", "5")
        # Its own data needs no flag.
        self.assertIn("mIoU", self.succeed([*evaluate, "--limit=2"]).stdout)


class OneValueTest(CasesTest):
    def test_one_value_a_channel(self):
        for flags, parts in ((["--batch_size=1", "--model=deeplabv3_micro"], ("--batch_size=1", "--batch_size=2")),
                             (["--batch_size=1", "--model=micro"], ("--batch_size=1", "--batch_size=2", "--crop=64"))):
            for method in ("psl", "rss_image"):
                with self.subTest(flags=flags, method=method):
                    output = folder(f"one_value_{method}_{flags[1][8:]}")
                    command = [RSS, "--crop=32", "--steps=2", "--group_size=2", "--reward_scales=8,4", "--threads=1", f"--method={method}", f"--output={output}"]
                    self.fail_with(2, [*command, *flags], *parts)
                    # What the message says would do does.
                    self.succeed([*command, *flags, "--batch_size=2"])
        self.succeed([RSS, "--crop=64", "--steps=2", "--threads=1", "--method=psl", "--batch_size=1", "--model=micro", f"--output={folder('larger')}"])


class ForeignFilesTest(CasesTest):
    @classmethod
    def setUpClass(cls):
        cls.output = folder("own")
        result = run([RSS, *TINY, "--method=psl", "--average_decay=0.5", f"--output={cls.output}"])
        assert result.returncode == 0, result.stderr
        cls.weights = f"{cls.output}/psl/weights.safetensors"
        cls.photo = folder("photo.png")
        commands.write_png(cls.photo, 40, 32, 3, bytes(range(256)) * 15)
        cls.evaluation = cls.evaluate(cls.weights).stdout

    @staticmethod
    def evaluate(path):
        return run([EVALUATE, f"--checkpoint={path}", "--limit=6", "--threads=1"])

    def users(self, path):
        """The commands that read a network, or begin with one."""
        new = ["--method=psl", f"--output={folder('begins')}"]
        return [[EVALUATE, f"--checkpoint={path}", "--limit=2"], [PREDICT, f"--checkpoint={path}", f"--input={self.photo}", f"--output={folder('foreign_maps')}"],
                [RSS, *TINY, *new, f"--cold_start={path}"], [RSS, *TINY, *new, f"--init_weights={path}"]]

    def expect_refused(self, path, *parts, lines=1):
        for command in self.users(path):
            with self.subTest(command[0], path=path):
                result = self.fail_with(1, command)
                # A list may follow the line, but never a screenful.
                self.assertLessEqual(len(result.stderr.strip().splitlines()), lines, result.stderr)
                for part in (path, *parts):
                    self.assertIn(part, result.stderr)
        self.assertFalse(os.path.exists(folder("foreign_maps")))

    def expect_same(self, path):
        result = self.evaluate(path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, self.evaluation)

    def test_what_is_no_network_says_what_it_is(self):
        for name, contents, parts in (
                ("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 62000000\n", ("Git LFS pointer", "git lfs pull")),
                ("old.pth", pickle.dumps({"weight": [1.0]}, protocol=2), ("PyTorch", "safetensors.torch", "old.pth")),
                ("page.safetensors", "<!DOCTYPE html><html><body>Sign in</body></html>", ("HTML",)),
                ("text.safetensors", "hello, this is no network\n", ()),
                ("empty.safetensors", "", ())):
            fixtures.write(folder(name), contents)
            self.expect_refused(folder(name), *parts)
        with zipfile.ZipFile(folder("new.pth"), "w") as file:
            file.writestr("archive/data.pkl", pickle.dumps({}))
            file.writestr("archive/data/0", bytes(64))
        self.expect_refused(folder("new.pth"), "PyTorch", "safetensors.torch")
        self.expect_refused(folder("nowhere.safetensors"))
        self.expect_refused(self.output)

    def test_safetensors_of_others(self):
        tensors, _ = fixtures.read_safetensors(self.weights)
        path = folder("timm.safetensors")
        fixtures.write_safetensors(path, tensors, {"format": "pt"})
        for command in self.users(path)[:2]:
            self.fail_with(1, command, path, "'model'")
        self.succeed(self.users(path)[2][:-2] + [f"--output={folder('begins_timm')}", f"--cold_start={path}"])

    def test_shards(self):
        tensors, metadata = fixtures.read_safetensors(self.weights)
        names, home = sorted(tensors), folder("shards")
        parts = {f"model-{i + 1:05d}-of-00003.safetensors": names[i::3] for i in range(3)}
        for file, part in parts.items():
            fixtures.write_safetensors(os.path.join(home, file), {name: tensors[name] for name in part}, metadata)
        index = os.path.join(home, "model.safetensors.index.json")
        fixtures.write(index, json.dumps({"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}))
        self.expect_same(index)
        self.succeed([RSS, *TINY, "--method=psl", f"--cold_start={index}", f"--output={folder('from_shards')}"])
        missing = os.path.join(home, "model-00002-of-00003.safetensors")
        os.remove(missing)
        for command in self.users(index):
            self.fail_with(1, command, os.path.basename(missing))

    # The network as training evaluated it: the moving average.
    def test_checkpoints_of_training(self):
        steps = os.path.join(self.output, "psl/checkpoints")
        newest = os.path.join(steps, sorted(name for name in os.listdir(steps) if name.endswith(".safetensors"))[-1])
        self.expect_same(newest)
        maps = []
        for i, path in enumerate((self.weights, newest)):
            self.succeed([PREDICT, f"--checkpoint={path}", f"--input={self.photo}", f"--output={folder(f'maps_of_{i}')}"])
            maps.append(fixtures.read(folder(f"maps_of_{i}") + "/photo.png"))
        self.assertEqual(*maps)
        states = []
        for i, path in enumerate((self.weights, newest)):
            output = folder(f"begins_with_{i}")
            result = self.succeed([RSS, *TINY, "--method=psl", f"--cold_start={path}", f"--output={output}"])
            self.assertRegex(result.stdout, r"loaded \d+ tensors, 0 missing, 0 of another shape or type")
            states.append(fixtures.read_safetensors(f"{output}/psl/weights.safetensors")[0])
        self.assertEqual(*states)

    def test_wrapped_names(self):
        tensors, metadata = fixtures.read_safetensors(self.weights)
        for wrapper in ("_orig_mod.", "module.", "module._orig_mod.", "state_dict.model."):
            path = folder("wrapped.safetensors")
            fixtures.write_safetensors(path, {wrapper + name: tensor for name, tensor in tensors.items()}, metadata)
            self.expect_same(path)
        path = folder("prefixed.safetensors")
        fixtures.write_safetensors(path, {"my_net." + name: tensor for name, tensor in tensors.items()}, metadata)
        result = self.fail_with(1, self.users(path)[0], path, "my_net.")
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        # Names of something else: counts, and the first of each list.
        path = folder("renamed.safetensors")
        fixtures.write_safetensors(path, {f"layer{i}": tensor for i, tensor in enumerate(tensors.values())}, metadata)
        result = run(self.users(path)[0])
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{len(tensors)} unexpected", result.stderr)
        self.assertLess(len(result.stderr.splitlines()), 30, result.stderr)

    def test_values_that_are_not_finite(self):
        tensors, metadata = fixtures.read_safetensors(self.weights)
        name = "decoder.classifier.weight"
        dtype, shape, values = tensors[name]
        self.assertEqual(dtype, "F32")
        for value in (math.nan, math.inf, -math.inf):
            path = folder("infinite.safetensors")
            fixtures.write_safetensors(path, {**tensors, name: (dtype, shape, values[:-4] + struct.pack("<f", value))}, metadata)
            for command in self.users(path)[:3]:
                self.fail_with(1, command, path, name, "not finite")
        encoder = next(name for name in sorted(tensors) if name.startswith("encoder.") and tensors[name][0] == "F32")
        dtype, shape, values = tensors[encoder]
        path = folder("encoder.safetensors")
        only_encoder = {name[len("encoder."):]: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
        fixtures.write_safetensors(path, {**only_encoder, encoder[len("encoder."):]: (dtype, shape, values[:-4] + struct.pack("<f", math.nan))}, metadata)
        self.fail_with(1, self.users(path)[3], "--init_weights", path, encoder[len("encoder."):], "not finite")


if __name__ == "__main__":
    unittest.main()
