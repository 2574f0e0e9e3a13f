"""Files as users have them, made on the spot: pictures with tags, JPEGs of four inks, weights, and datasets in their released layouts."""

import csv
import json
import os
import random
import struct
import zlib

from tests.end_to_end.commands import png_bytes, png_chunk, write_png

# ---- files


def write(path, contents):
    """Bytes or text, with the folders above."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(contents if isinstance(contents, bytes) else contents.encode())


def read(path):
    with open(path, "rb") as file:
        return file.read()


# ---- PNG


def rows_of_log(path):
    """The training steps in the log.csv of a run's folder."""
    with open(os.path.join(path, "log.csv"), newline="") as file:
        return [line for line in csv.DictReader(file) if line["loss"]]


def scores(path):
    """{name: value} of the scores.json of a run's folder."""
    with open(os.path.join(path, "scores.json")) as file:
        return dict(json.load(file)["scores"])


def checkpoints(path):
    """The names of the checkpoints in a run's folder, the newest last; none where there is no folder."""
    path = os.path.join(path, "checkpoints")
    return sorted(name for name in os.listdir(path) if name.endswith(".safetensors")) if os.path.isdir(path) else []


def png_chunks(contents):
    """(kind, body) of each chunk."""
    at, chunks = 8, []
    while at < len(contents):
        size, kind = struct.unpack_from(">I4s", contents, at)
        chunks.append((kind, contents[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def join_png(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


def read_png(path):
    """(width, height, rows of bytes) of an 8-bit PNG that is not interlaced: indices, grey or RGB."""
    chunks = png_chunks(read(path))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8 and interlaced == 0, path
    channels = {0: 1, 2: 3, 3: 1}[kind]
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    stride, rows, above = width * channels, [], bytes(width * channels)
    for y in range(height):
        line = bytearray(data[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        method = data[y * (stride + 1)]
        for i in range(stride):
            left, up = line[i - channels] if i >= channels else 0, above[i]
            corner = above[i - channels] if i >= channels else 0
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda value: abs(guess - value))
            line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[method]) & 255
        rows.append(bytes(line))
        above = line
    return width, height, rows


def broken_inside(png):
    """A PNG whose chunks are whole and have their checksums, but whose pixels end in the middle: only decoding shows it."""
    return join_png([(kind, body[: len(body) // 2]) if kind == b"IDAT" else (kind, body) for kind, body in png_chunks(png)])


def exif(orientation):
    """A TIFF structure with the orientation alone."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def png_with_exif(png, orientation):
    chunks = png_chunks(png)
    return join_png([chunks[0], (b"eXIf", exif(orientation)), *chunks[1:]])


# ---- JPEG


def jpeg(width, height, channels, color, orientation=None):
    """Baseline, not sub-sampled; `color(column, row)` are the stored values of a block of 8 × 8 pixels, which come back exactly."""

    def segment(marker, body):
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    # A block of one value is its first coefficient, 8 · (value − 128): with steps of 8 there is nothing to round. The codes of DC are
    # its sizes, 0 to 11, in four bits; the only one of AC, "0", ends a block.
    sizes = bytes(range(12))
    dc = bytes([0, 0, 0, 12] + [0] * 12) + sizes
    ac = bytes([1] + [0] * 15) + b"\0"
    bits, before = "", [0] * channels
    for row in range(height // 8):
        for column in range(width // 8):
            for channel, value in enumerate(color(column, row)):
                difference = value - 128 - before[channel]
                before[channel] = value - 128
                size = abs(difference).bit_length()
                number = difference if difference >= 0 else difference + (1 << size) - 1
                bits += format(size, "04b") + (format(number, f"0{size}b") if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    components = b"".join(bytes((i + 1, 0x11, 0)) for i in range(channels))
    return (
        b"\xff\xd8"
        + (segment(0xE1, b"Exif\0\0" + exif(orientation)) if orientation else b"")
        + segment(0xDB, b"\0" + b"\x08" * 64)
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, channels) + components)
        + segment(0xC4, b"\0" + dc)
        + segment(0xC4, b"\x10" + ac)
        + segment(0xDA, bytes([channels]) + b"".join(bytes((i + 1, 0)) for i in range(channels)) + b"\0\x3f\0")
        + scan
        + b"\xff\xd9"
    )


# ---- safetensors

FLOAT_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "I64": 8, "U8": 1}


def read_safetensors(path):
    """({name: (dtype, shape, bytes)}, metadata)"""
    contents = read(path)
    size = struct.unpack_from("<Q", contents)[0]
    header = json.loads(contents[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    data = contents[8 + size :]
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])]) for name, entry in header.items()}, metadata


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, values) in sorted(tensors.items(), key=lambda entry: (-FLOAT_BYTES[entry[1][0]], entry[0])):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write(path, struct.pack("<Q", len(text)) + text + data)


# ---- MATLAB


def sbd_label(width, height, values):
    """GTcls with its Segmentation, as SBD has label maps; `values` row by row."""

    def element(kind, body):
        return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    def array(name, kind, sizes, rest):
        return element(14, element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", *sizes)) + element(1, name) + rest)

    columns = bytes(values[y * width + x] for x in range(width) for y in range(height))
    names = struct.pack("<II", 5 | 4 << 16, 32) + element(1, b"Segmentation".ljust(32, b"\0"))
    segmentation = array(b"", 9, (height, width), element(2, columns))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + array(b"GTcls", 2, (1, 1), names + segmentation)


# ---- datasets


def halves(width, height, border, classes=(0, 1), noise=None):
    """(RGB, labels): a left and a right part of two colours, rough where `noise` draws."""
    pixels, labels = bytearray(), bytearray()
    for y in range(height):
        for x in range(width):
            left = x < border
            color = (200, 40 + y, 30) if left else (20, 90, 160 + y)
            pixels += bytes(min(255, value + (noise.randrange(40) if noise else 0)) for value in color)
            labels.append(classes[0] if left else classes[1])
    return bytes(pixels), bytes(labels)


def write_rough_camvid(root, images=4, width=64, height=48):
    """CamVid with pictures that look different at another scale."""
    noise = random.Random(4)
    for split in ("train", "val"):
        os.makedirs(os.path.join(root, split))
        os.makedirs(os.path.join(root, split + "annot"))
        write(os.path.join(root, split + ".txt"), "".join(f"/SegNet/CamVid/{split}/{i}.png /SegNet/CamVid/{split}annot/{i}.png\n" for i in range(images)))
        for i in range(images):
            pixels, labels = halves(width, height, width // 4 + 7 * i, (3, i % 3), noise)
            write_png(os.path.join(root, split, f"{i}.png"), width, height, 3, pixels)
            write_png(os.path.join(root, split + "annot", f"{i}.png"), width, height, 1, labels)


def voc_folder(root, *parts):
    return os.path.join(root, "VOC2012", *parts)


def write_voc_pair(root, name, image, label, extension=".jpg"):
    write(voc_folder(root, "JPEGImages", name + extension), image)
    write(voc_folder(root, "SegmentationClass", name + ".png"), label)


def write_voc_list(root, split, contents):
    write(voc_folder(root, "ImageSets/Segmentation", split + ".txt"), contents)


def write_voc(root, extension=".jpg", width=48, height=40):
    """Two training and two validation images: JPEGs, with labels that follow their halves."""
    for split, names in (("train", ("2007_000000", "2007_000001")), ("val", ("2007_000050", "2007_000051"))):
        write_voc_list(root, split, "".join(name + "\n" for name in names))
        for i, name in enumerate(names):
            border = 2 + i
            picture = jpeg(width, height, 3, lambda column, row: (90, 110, 180) if column < border else (160, 120, 90))
            labels = bytes((1 if x < 8 * border else 15) for y in range(height) for x in range(width))
            write_voc_pair(root, name, picture, png_bytes(width, height, 1, labels), extension)


MAPILLARY_CLASSES = ["Bird", "Curb, cut", 'Lane "A"', "Straße, naß", "Sky"]


def write_mapillary(root, names=MAPILLARY_CLASSES, width=48, height=40):
    """Vistas 1.2 with classes of these names, and one that is not evaluated."""
    entries = [{"name": f"object--{i}", "readable": name, "evaluate": True, "color": [20 * i, 200 - 20 * i, 7]} for i, name in enumerate(names)]
    entries.append({"name": "void--unlabeled", "readable": "Unlabeled", "evaluate": False, "color": [0, 0, 0]})
    write(os.path.join(root, "config_v1.2.json"), json.dumps({"version": "1.2", "labels": entries}, ensure_ascii=False))
    for split, count in (("training", 3), ("validation", 2)):
        for i in range(count):
            border = 2 + i
            picture = jpeg(width, height, 3, lambda column, row: (90, 110, 180) if column < border else (160, 120, 90))
            labels = bytes((i % len(names) if x < 8 * border else len(names)) for y in range(height) for x in range(width))
            write(os.path.join(root, split, "images", f"k{i}_abc.jpg"), picture)
            write(os.path.join(root, split, "v1.2/labels", f"k{i}_abc.png"), png_bytes(width, height, 1, labels))


def write_ade20k(root):
    """SceneParsing-150: images of two sizes, one of them grey; values 0 (void), 1, 42 and 150; a test image without labels."""
    challenge = os.path.join(root, "ADEChallengeData2016")
    for split, short in (("training", "train"), ("validation", "val")):
        for i, (width, height, channels) in enumerate(((48, 40, 3), (40, 56, 1))):
            border = 2 + i
            picture = jpeg(width, height, channels, lambda column, row: ((90, 110, 180) if column < border else (160, 120, 90))[:channels])
            labels = bytes(0 if y == 0 else (1 if x < 8 * border else (150, 42)[i]) for y in range(height) for x in range(width))
            write(os.path.join(challenge, "images", split, f"ADE_{short}_0000000{i + 1}.jpg"), picture)
            write(os.path.join(challenge, "annotations", split, f"ADE_{short}_0000000{i + 1}.png"), png_bytes(width, height, 1, labels))
    write(os.path.join(root, "release_test/testing/ADE_test_00000001.jpg"), jpeg(64, 48, 3, lambda column, row: (90, 110, 180)))
