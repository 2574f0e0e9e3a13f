#!/usr/bin/env python3
"""Scores label maps by their mean IoU with labels that only this program has. Needs nothing but Python.

    rss_pascal_context --reward="exec:python3 experiments/rss/scorers/mean_iou.py LABELS"

LABELS/ID.png is the label map of image ID: 8-bit grey or palette, by class number; --void is the number that does not count.
The protocol is in docs/external_reward.md; your own scorer keeps `requests` and replaces `score`.
"""

import argparse
import collections
import functools
import os
import struct
import sys
import zlib


def requests(stream):
    """Yields (number, count, maps), where maps yields (name of the image, (step of its geometry, …), pixels)."""

    def maps(count, pixels):
        for _ in range(count):
            name, *steps = stream.readline().decode().rstrip("\n").split("\t")
            yield name, tuple(steps), stream.read(pixels)

    for line in iter(stream.readline, b""):
        word, version, number, count, height, width = line.split()
        assert (word, version) == (b"maps", b"1"), line
        yield int(number), int(count), maps(int(count), int(height) * int(width))


# A label map is a list of rows, each bytes. Steps of an image's geometry: data/transforms/transform.h.
def resize(rows, height, width):
    """Nearest neighbour by pixel centres, in integers."""
    columns = [(2 * x + 1) * len(rows[0]) // (2 * width) for x in range(width)]
    return [bytes(map(rows[(2 * y + 1) * len(rows) // (2 * height)].__getitem__, columns)) for y in range(height)]


def crop(rows, top, left, height, width):
    return [row[left : left + width] for row in rows[top : top + height]]


def mirror(rows):
    return [row[::-1] for row in rows]


def exchange(rows, first, second):
    table = bytes.maketrans(bytes([first, second]), bytes([second, first]))
    return [row.translate(table) for row in rows]


def pad(rows, height, width):
    return [row + bytes([VOID]) * (width - len(row)) for row in rows] + [bytes([VOID]) * width] * (height - len(rows))


STEPS = {"resize": resize, "crop": crop, "mirror": mirror, "exchange": exchange, "pad": pad}
VOID = 255


def read_png(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{path}: not a PNG")
    position, packed = 8, b""
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += length + 12
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if depth != 8 or color not in (0, 3) or interlaced:
                raise ValueError(f"{path}: not an 8-bit grey or palette PNG without interlacing")
        elif kind == b"IDAT":
            packed += body
    lines, rows, above = zlib.decompress(packed), [], bytes(width)
    for y in range(height):
        method, *row = lines[y * (width + 1) : (y + 1) * (width + 1)]
        for x in range(width if method else 0):
            left, up, corner = (row[x - 1] if x else 0), above[x], (above[x - 1] if x else 0)
            slope = left + up - corner
            nearest = min((abs(slope - left), 0, left), (abs(slope - up), 1, up), (abs(slope - corner), 2, corner))[2]
            row[x] = (row[x] + (0, left, up, (left + up) // 2, nearest)[method]) % 256
        above = bytes(row)
        rows.append(above)
    return rows


@functools.lru_cache(maxsize=10000)
def stored_label(name):
    void = bytes.maketrans(bytes([ARGUMENTS.void]), bytes([VOID]))
    return [row.translate(void) for row in read_png(os.path.join(ARGUMENTS.labels, name + ".png"))]


@functools.lru_cache(maxsize=64)
def label_of(name, steps):
    rows = stored_label(name)
    for step in steps:
        word, *numbers = step.split()
        rows = STEPS[word](rows, *map(int, numbers))
    return b"".join(rows)


def score(name, steps, pixels):
    """Mean IoU over the classes of the label; 0 where everything is void."""
    right, truth, drawn = collections.Counter(), collections.Counter(), collections.Counter()
    for (true, chosen), count in collections.Counter(zip(label_of(name, steps), pixels)).items():
        if true == VOID:
            continue
        truth[true] += count
        drawn[chosen] += count
        if true == chosen:
            right[true] = count
    return sum(right[k] / (truth[k] + drawn[k] - right[k]) for k in sorted(truth)) / len(truth) if truth else 0.0


def main():
    for number, count, maps in requests(sys.stdin.buffer):
        answer = [f"scores {number} {count}"] + [repr(score(*drawn)) for drawn in maps]
        print("\n".join(answer), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", help="folder of the label maps")
    parser.add_argument("--void", type=int, default=255, help="the number in the files that does not count (CamVid: 11)")
    ARGUMENTS = parser.parse_args()
    main()
