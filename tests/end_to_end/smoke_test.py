"""Every program runs a few steps, writes what it promises, and can be read again by the others."""

import os
import unittest

from tests.end_to_end import commands
from tests.end_to_end.commands import EVALUATE, PREDICT, RSS, TINY, folder, run


class SmokeTest(unittest.TestCase):
    def test_compare_evaluate_predict(self):
        output = folder("compare")
        result = run([RSS, *TINY, f"--output={output}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("RSS (image-level reward) / PSL", result.stdout)
        self.assertIn("embedded scenes", result.stdout)
        for name in ("report.html", "results.csv", "psl/log.csv", "psl/weights.safetensors", "rss_image/weights.safetensors",
                     "rss_image/pictures/validation_1.png", "rss_image/scores.json"):
            self.assertTrue(os.path.getsize(os.path.join(output, name)) > 0, name)
        with open(os.path.join(output, "report.html")) as file:
            page = file.read()
        self.assertIn("data:image/png;base64,", page)
        self.assertNotIn("http://", page.replace("http://www.w3.org", ""))

        weights = os.path.join(output, "rss_image/weights.safetensors")
        result = run([EVALUATE, f"--checkpoint={weights}", "--crop=32", "--limit=8", "--multi_scale", "--flip", "--test_scales=1,2"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("mIoU", result.stdout)

        photos = folder("photos")
        os.makedirs(photos)
        commands.write_png(os.path.join(photos, "a.png"), 50, 37, 3, bytes(50 * 37 * 3))
        result = run([PREDICT, f"--checkpoint={weights}", f"--input={photos}", f"--output={folder('maps')}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(folder("maps"))), ["a.png", "a_overlay.png"])
        result = run([PREDICT, f"--checkpoint={weights}", f"--input={photos}", f"--output={folder('averaged')}", "--multi_scale", "--test_scales=0.5,1",
                      "--flip", "--window=32", "--stride=16"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(os.listdir(folder("averaged"))), ["a.png", "a_overlay.png"])

    def test_camvid_with_cold_start(self):
        root = folder("camvid")
        commands.write_camvid(root)
        first = folder("first")
        self.assertEqual(run([RSS, *TINY, "--method=psl", f"--output={first}"]).returncode, 0)
        result = run([RSS, *TINY, "--dataset=camvid", f"--data_root={root}", "--image_scale=1", "--method=rss_pixel",
                      f"--cold_start={first}/psl/weights.safetensors", f"--output={folder('camvid_run')}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("decoder.classifier.weight", result.stdout)  # listed: it does not fit 11 classes

    # On any CPU; where it does not multiply bfloat16 that is said, once for both rows.
    def test_bfloat16(self):
        without = {**os.environ, "DNNL_MAX_CPU_ISA": "AVX2"}
        result = run([RSS, *TINY, "--precision=bfloat16", f"--output={folder('bfloat16')}"], env=without)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count("--precision=bfloat16 saves memory here, not time"), 1, result.stdout)
        result = run([RSS, *TINY, "--method=psl", f"--output={folder('float32')}"])
        self.assertNotIn("bfloat16", result.stdout)

    # The head of the labels' network is saved with it, left out by those who only evaluate, and not made for rewards.
    def test_auxiliary_head(self):
        output = folder("auxiliary")
        first = run([RSS, *TINY, "--model=fcn_micro", "--auxiliary_weight=0.4", "--method=psl", f"--output={output}"])
        self.assertEqual(first.returncode, 0, first.stderr)
        weights = f"{output}/psl/weights.safetensors"
        with open(weights, "rb") as file:
            self.assertIn(b"aux_classifier.4.weight", file.read())
        result = run([EVALUATE, f"--checkpoint={weights}", "--crop=32", "--limit=8"])
        self.assertEqual(result.returncode, 0, result.stderr)
        rewards = folder("auxiliary_rewards")
        result = run([RSS, *TINY, "--model=fcn_micro", "--auxiliary_weight=0.4", "--method=rss_image", f"--cold_start={weights}", f"--output={rewards}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(f"{rewards}/rss_image/weights.safetensors", "rb") as file:
            self.assertNotIn(b"aux_classifier", file.read())

    def test_a_table_can_be_continued(self):
        output = folder("table")
        command = [RSS, *TINY, "--table=2", f"--output={output}"]
        result = run([*command, "--rows=psl,naive"])
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run([*command, "--rows=single", "--resume"])
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [line for line in result.stdout.splitlines() if line.startswith(("PSL ", "RSS naive", "RSS PSR (single) "))]
        self.assertEqual(len([row for row in rows if "–" not in row.split()[3:4]]) >= 3, True, result.stdout)
        result = run([*command, "--rows=psl", "--resume", "--learning_rate=0.5"])
        self.assertEqual(result.returncode, 2)
        self.assertIn("other settings: --learning_rate is 0.004 there, 0.5 here", result.stderr)

    # Their old names are read, and what they are called now is said.
    def test_former_names(self):
        former = [flag.replace("--group_size", "--samples").replace("--reward_scales", "--scales") for flag in TINY]
        self.assertNotEqual(former, TINY)
        outputs = []
        for name, flags, notes in (
            ("now", [*TINY, "--normalization=all"], []),
            ("formerly", [*former, "--normalisation=all"], ["--samples is called --group_size", "--scales is called --reward_scales",
                                                             "--normalisation is called --normalization"])):
            output = folder(name)
            result = run([RSS, *flags, "--method=rss_image", f"--output={output}"])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(" is called " in result.stderr, bool(notes))
            for note in notes:
                self.assertIn(note, result.stderr)
            with open(f"{output}/rss_image/weights.safetensors", "rb") as file:
                outputs.append(file.read())
        self.assertEqual(*outputs)
        result = run([EVALUATE, f"--checkpoint={folder('now')}/rss_image/weights.safetensors", "--limit=2", "--multi_scale", "--scales=1"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("--scales is called --test_scales", result.stderr)

    # What --help shows are the values that the flags beside it leave.
    def test_help(self):
        for program, flags, line in ((RSS, ["--preset=paper"], "--steps=40000 "), (RSS, [], "--steps=2000 "), (EVALUATE, [], "--split=val "),
                                     (PREDICT, [], "--opacity=0.6 ")):
            result = run([program, *flags, "--help"])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(line, result.stdout)


if __name__ == "__main__":
    unittest.main()
