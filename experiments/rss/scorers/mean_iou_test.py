"""The parts of mean_iou.py that an embedded scene does not reach: PNG filters, and every step of a geometry."""

import argparse
import os
import struct
import unittest
import zlib

from experiments.rss.scorers import mean_iou


def png(path, width, lines, color=0):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packed = zlib.compress(b"".join(lines))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(lines), 8, color, 0, 0, 0))
                   + chunk(b"PLTE", bytes(9)) + chunk(b"IDAT", packed[:5]) + chunk(b"IDAT", packed[5:]) + chunk(b"IEND", b""))


class MeanIouTest(unittest.TestCase):
    def test_png_filters(self):
        path = os.path.join(os.environ["TEST_TMPDIR"], "filters.png")
        # The differences that each filter of the PNG specification stores for the rows in the comments.
        png(path, 3, [
            b"\x00\x01\x02\x03",  # 1 2 3
            b"\x01\x02\x03\xff",  # 2 5 4: left
            b"\x02\x01\xff\x01",  # 3 4 5: above
            b"\x03\x02\x01\x00",  # 3 4 4: halved sum of left and above, rounded down
            b"\x04\x02\x00\x01",  # Paeth
        ], color=3)
        rows = mean_iou.read_png(path)
        self.assertEqual(rows[:4], [bytes((1, 2, 3)), bytes((2, 5, 4)), bytes((3, 4, 5)), bytes((3, 4, 4))])
        # Row 4: 2 + above 3 = 5. Left 5, above 4, corner 3: 5 + 4 - 3 = 6 is nearest to left: 0 + 5 = 5. Left 5, above 4, corner 4:
        # 5 is nearest to left: 1 + 5 = 6.
        self.assertEqual(rows[4], bytes((5, 5, 6)))

    def test_steps(self):
        rows = [bytes((0, 1, 2)), bytes((3, 4, 5))]
        # Rows ⌊(i + ½)·2/3⌋ = 0, 1, 1; columns ⌊(i + ½)·3/2⌋ = 0, 2.
        self.assertEqual(mean_iou.resize(rows, 3, 2), [bytes((0, 2)), bytes((3, 5)), bytes((3, 5))])
        self.assertEqual(mean_iou.crop(rows, 1, 1, 1, 2), [bytes((4, 5))])
        self.assertEqual(mean_iou.mirror(rows), [bytes((2, 1, 0)), bytes((5, 4, 3))])
        self.assertEqual(mean_iou.exchange(rows, 1, 5), [bytes((0, 5, 2)), bytes((3, 4, 1))])
        self.assertEqual(mean_iou.pad(rows, 3, 4), [bytes((0, 1, 2, 255)), bytes((3, 4, 5, 255)), bytes([255] * 4)])

    def test_score(self):
        folder = os.environ["TEST_TMPDIR"]
        png(os.path.join(folder, "truth.png"), 4, [b"\x00\x00\x00\x01\x0b"])
        mean_iou.ARGUMENTS = argparse.Namespace(labels=folder, void=11)
        # Class 0: 1 right of 2 true and 2 drawn; class 1: 0 of 1 true and 0 drawn; the void pixel does not count.
        self.assertAlmostEqual(mean_iou.score("truth", (), bytes((0, 2, 0, 0))), (1 / 3 + 0) / 2)
        self.assertEqual(mean_iou.score("truth", ("mirror",), bytes((7, 1, 0, 0))), 1)
        self.assertEqual(mean_iou.score("truth", ("crop 0 3 1 1", "pad 1 4"), bytes(4)), 0)


if __name__ == "__main__":
    unittest.main()
