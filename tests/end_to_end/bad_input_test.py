"""Bad input: one clear line that names file and field, exit code 1, nothing lost."""

import os
import struct
import unittest

from tests.end_to_end import commands
from tests.end_to_end.commands import EVALUATE, PREDICT, RSS, TINY, folder, run


class BadInputTest(unittest.TestCase):
    def expect(self, command, *parts, code=1):
        result = run(command)
        self.assertEqual(result.returncode, code, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertNotIn("internal error", result.stderr)
        return lines

    def expect_flag(self, command, *parts):
        lines = self.expect(command, *parts, code=2)
        self.assertEqual(len(lines), 1, lines)

    def test_flags(self):
        self.expect_flag([RSS, "--no_such_flag=1"], "no_such_flag")
        self.expect_flag([RSS, "--bath_size=1"], "--bath_size", "did you mean --batch_size?")
        self.expect_flag([EVALUATE, "--chekpoint=x"], "did you mean --checkpoint?")
        self.expect_flag([PREDICT, "--imput=x"], "did you mean --input?")
        self.expect_flag([RSS, "--steps"], "--steps lacks its value")
        self.expect_flag([RSS, "--steps=many"], "steps")
        self.expect_flag([RSS, "--steps=0"], "--steps=0 must be at least 1")
        self.expect_flag([RSS, "--dataset=imagenet"], "--dataset=imagenet", "camvid")
        self.expect_flag([RSS, "--preset=best"], "--preset=best", "quick")
        self.expect_flag([RSS, "--table=9"], "--table=9")
        self.expect_flag([RSS, "--method=guess"], "--method=guess")
        self.expect_flag([RSS, "--model=giant", f"--output={folder('giant')}"], "--model", "giant")
        self.expect_flag([RSS, "--auxiliary_weight=0.4", f"--output={folder('head')}"], "--model", "no auxiliary head")
        self.expect_flag([RSS, "--crop=50"], "--crop=50", "multiple of 32")
        self.expect_flag([RSS, "--reward_scales=8,x"], "--reward_scales", "'x'")
        self.expect_flag([RSS, "stray"], "stray")
        self.expect_flag([EVALUATE], "--checkpoint is missing")
        self.expect_flag([PREDICT, "--checkpoint=x"], "--input is missing")
        self.expect_flag([PREDICT, "--input=x", "--output=y", "--multi_scale", "--test_scales=1,wide"], "--test_scales", "'wide'")
        self.expect_flag([PREDICT, "--input=x", "--output=y", "--window=-1"], "--window")
        self.expect_flag([RSS, "--capture", "--inner_updates=2", f"--output={folder('captured')}"], "--capture", "several updates")

    def test_data(self):
        self.expect_flag([RSS, "--dataset=camvid"], "--data_root")
        self.expect([RSS, "--dataset=camvid", "--data_root=/nowhere"], "/nowhere")
        root = folder("camvid")
        commands.write_camvid(root)
        command = [RSS, *TINY, "--dataset=camvid", f"--data_root={root}", "--image_scale=1", "--method=psl"]

        os.rename(os.path.join(root, "val.txt"), os.path.join(root, "val.bak"))
        self.expect([*command, f"--output={folder('no_list')}"], "val.txt")
        self.assertFalse(os.path.exists(folder("no_list")))
        os.rename(os.path.join(root, "val.bak"), os.path.join(root, "val.txt"))

        image = os.path.join(root, "train", "1.png")
        with open(image, "rb") as file:
            whole = file.read()
        with open(image, "wb") as file:
            file.write(whole[: len(whole) // 2])
        self.expect([*command, f"--output={folder('cut')}"], "train/1.png")
        with open(image, "wb") as file:
            file.write(b"GIF89a not a picture we read")
        self.expect([*command, f"--output={folder('mislabelled')}"], "train/1.png")
        with open(image, "wb") as file:
            file.write(whole)

        label = os.path.join(root, "trainannot", "2.png")
        commands.write_png(label, 64, 48, 1, bytes([12]) * (64 * 48))
        self.expect([*command, f"--output={folder('range')}"], "trainannot/2.png", "12")
        commands.write_png(label, 32, 48, 1, bytes(32 * 48))
        self.expect([*command, f"--output={folder('size')}"], "trainannot/2.png")

    def test_output_folder(self):
        blocked = folder("file")
        with open(blocked, "w") as file:
            file.write("not a folder")
        self.expect([RSS, *TINY, f"--output={blocked}"], blocked)
        taken = folder("taken")
        self.assertEqual(run([RSS, *TINY, "--method=psl", f"--output={taken}"]).returncode, 0)
        self.expect([RSS, *TINY, "--method=psl", f"--output={taken}"], taken, "resume")

    def test_checkpoints(self):
        output = folder("run")
        command = [RSS, *TINY, "--method=psl", f"--output={output}"]
        self.assertEqual(run(command).returncode, 0)
        os.remove(os.path.join(output, "psl/scores.json"))
        checkpoints = os.path.join(output, "psl/checkpoints")
        latest = os.path.join(checkpoints, sorted(os.listdir(checkpoints))[-1])
        with open(latest, "rb") as file:
            whole = file.read()
        for name, damaged in {
            "cut": whole[: len(whole) // 2],
            "length overflows": struct.pack("<Q", 1 << 62) + whole[8:],
            "no JSON": whole[:8] + b"#" + whole[9:],
            "empty": b"",
        }.items():
            with self.subTest(name):
                with open(latest, "wb") as file:
                    file.write(damaged)
                self.expect([*command, "--resume"], os.path.basename(latest))
        with open(latest, "wb") as file:
            file.write(whole)
        self.expect([*command, "--resume", "--seed=3"], os.path.basename(latest), "--seed is 0 there, 3 here")
        self.expect([*command, "--resume", "--model=atto"], "--model is micro there, atto here", code=2)

        overlapping = folder("overlap.safetensors")
        header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
        with open(overlapping, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + bytes(12))
        self.expect([EVALUATE, f"--checkpoint={overlapping}"], overlapping)
        self.expect([RSS, *TINY, f"--cold_start={overlapping}", f"--output={folder('cold')}"], overlapping)

    def test_loss_that_is_not_finite(self):
        output = folder("nan")
        lines = self.expect([RSS, *TINY, "--method=psl", "--learning_rate=1e30", "--clip_norm=0", "--steps=40", f"--output={output}"], "is not finite at step")
        saved = [line for line in lines if "the state after step" in line]
        self.assertTrue(saved, lines)

    def test_full_disk(self):
        # /dev/full cannot be a folder; a folder whose quota is one file's size limit stands in for it.
        import resource
        import subprocess

        output = folder("full")
        limit = 200_000
        first = subprocess.run([RSS, *TINY, "--method=psl", f"--output={output}"], stderr=subprocess.PIPE, text=True, cwd=commands.TEMPORARY,
                               preexec_fn=lambda: (resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), __import__("signal").signal(__import__("signal").SIGXFSZ, __import__("signal").SIG_IGN)))
        self.assertEqual(first.returncode, 1)
        self.assertIn("checkpoints/", first.stderr)
        self.assertFalse([name for name in os.listdir(os.path.join(output, "psl/checkpoints")) if name.endswith(".safetensors")])

    def test_prediction_goes_on_after_a_bad_image(self):
        output = folder("network")
        self.assertEqual(run([RSS, *TINY, "--method=psl", f"--output={output}"]).returncode, 0)
        photos = folder("mixed")
        os.makedirs(photos)
        commands.write_png(os.path.join(photos, "good.png"), 40, 40, 3, bytes(40 * 40 * 3))
        with open(os.path.join(photos, "bad.jpg"), "wb") as file:
            file.write(b"\xff\xd8\xff\xe0 nothing")
        self.expect([PREDICT, f"--checkpoint={output}/psl/weights.safetensors", f"--input={photos}", f"--output={folder('out')}"], "bad.jpg", "1 of 2")
        self.assertTrue(os.path.exists(os.path.join(folder("out"), "good.png")))


if __name__ == "__main__":
    unittest.main()
