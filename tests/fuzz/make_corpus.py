"""Writes the files that the fuzzers start from, a few hundred bytes each, into corpus/ beside this script.

  python3 make_corpus.py

PNG, MATLAB files and safetensors are written byte by byte; JPEG needs Pillow (another version may write other bytes, which
does no harm).
"""

import io
import json
import os
import struct
import zlib

from PIL import Image

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
# First column and row, and the steps between them, of the seven passes of an interlaced PNG.
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def write(folder, name, contents):
    path = os.path.join(CORPUS, folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(contents)
    print(f"{os.path.relpath(path, CORPUS)}: {len(contents)} bytes")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_row(values, depth):
    """Samples of `depth` bits each, the first in the highest bits, behind the byte of the filter "none"."""
    bits = 0
    for value in values:
        bits = bits << depth | value
    padding = -len(values) * depth % 8
    return b"\0" + (bits << padding).to_bytes((len(values) * depth + padding) // 8, "big")


def png(width, height, depth, kind, interlaced=False, extra=b""):
    top = (1 << depth) - 1

    def sample(x, y):
        return [(3 * x + 5 * y + 7 * c + x * y) & top for c in range(SAMPLES[kind])]

    data = b""
    for column, row, column_step, row_step in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        columns = range(column, width, column_step)
        for y in range(row, height, row_step) if columns else []:
            data += png_row([value for x in columns for value in sample(x, y)], depth)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    if kind == PALETTE:
        extra += chunk(b"PLTE", b"".join(bytes((i, 255 - i, i // 2)) for i in range(min(1 << depth, 128))))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b"")
    )


def jpeg(mode, **options):
    width, height, channels = 19, 13, len(Image.new(mode, (1, 1)).getbands())
    values = bytes(
        (40 * c + 9 * x + 13 * y) & 255 for y in range(height) for x in range(width) for c in range(channels)
    )
    image = Image.frombytes(mode, (width, height), values)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30, optimize=True, **options)
    return file.getvalue()


def exif(orientation, order):
    """A TIFF structure with nothing but an orientation; `order` is ">" or "<"."""
    mark = b"MM" if order == ">" else b"II"
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg_with_exif(file, orientation, order):
    body = b"Exif\0\0" + exif(orientation, order)
    return file[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + file[2:]


def safetensors(tensors, metadata=None):
    """`tensors` is name -> (dtype, bytes of an element, shape); the contents count upwards."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, element, shape) in tensors.items():
        size = element
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += bytes(i % 251 for i in range(size))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def mat_element(kind, body):
    return struct.pack("<II", kind, len(body)) + body + (b"" if kind == 15 else b"\0" * (-len(body) % 8))


def mat_array(name, array_class, extents, contents):
    """A matrix of MATLAB's level 5 format; `contents` are the elements behind its name."""
    flags, sizes = struct.pack("<II", array_class, 0), struct.pack("<%di" % len(extents), *extents)
    return mat_element(14, mat_element(6, flags) + mat_element(5, sizes) + mat_element(1, name) + contents)


def mat_file(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def main():
    write("png", "rgb.png", png(9, 7, 8, RGB))
    write("png", "rgb_interlaced.png", png(9, 7, 8, RGB, True))
    write("png", "rgb16.png", png(5, 4, 16, RGB))
    write("png", "rgba16_interlaced.png", png(3, 5, 16, RGBA, True))
    gamma, transparent = chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"tRNS", struct.pack(">HHH", 3, 10, 17))
    write("png", "rgb_gamma_transparent.png", png(9, 7, 8, RGB, extra=gamma + transparent))

    write("label_png", "grey1.png", png(11, 5, 1, GREY))
    write("label_png", "grey8.png", png(11, 5, 8, GREY))
    write("label_png", "grey16_interlaced.png", png(6, 7, 16, GREY, True))
    write("label_png", "grey_alpha.png", png(5, 5, 8, GREY_ALPHA))
    write("label_png", "palette2.png", png(9, 9, 2, PALETTE))
    write("label_png", "palette8_interlaced.png", png(8, 6, 8, PALETTE, True))

    write("jpeg", "baseline_420.jpg", jpeg("RGB", subsampling="4:2:0"))
    write("jpeg", "progressive_444.jpg", jpeg("RGB", subsampling="4:4:4", progressive=True))
    write("jpeg", "restart_422.jpg", jpeg("RGB", subsampling="4:2:2", restart_marker_blocks=1))
    write("jpeg", "grey.jpg", jpeg("L"))
    write("jpeg", "cmyk.jpg", jpeg("CMYK"))
    write("jpeg", "exif_6.jpg", jpeg_with_exif(jpeg("L"), 6, ">"))
    write("jpeg", "exif_7_little_endian.jpg", jpeg_with_exif(jpeg("L"), 7, "<"))
    write("png", "exif_8.png", png(9, 7, 8, RGB, extra=chunk(b"eXIf", exif(8, ">"))))

    write("list", "quotes_and_tabs.txt", b'a.png "my b.png"\r\nmy c.png\tmy d.png\n\n2008_000001 -1\r')
    write("list", "utf8_mark.txt", b"\xef\xbb\xbfa\nb\n")
    write("list", "utf16_le.txt", "\ufeffa\r\n\u20ac \U0001d11e\n".encode("utf-16-le"))
    write("list", "utf16_be.txt", "\ufeffa b\n\"c".encode("utf-16-be"))

    labels = mat_array(b"LabelMap", 11, (2, 3), mat_element(4, struct.pack("<6H", 1, 4, 2, 5, 3, 459)))
    doubles = mat_array(b"LabelMap", 6, (2, 2), mat_element(9, struct.pack("<4d", 0, 7, 2, 3)))
    fields = mat_element(5, struct.pack("<i", 16)) + mat_element(1, b"Comment".ljust(16, b"\0") + b"Segmentation".ljust(16, b"\0"))
    fields += mat_array(b"", 4, (1, 2), mat_element(4, b"h\0i\0")) + mat_array(b"", 9, (2, 2), mat_element(2, b"\0\x14\x0f\7"))
    write("mat", "uint16.mat", mat_file(labels))
    write("mat", "double.mat", mat_file(doubles))
    write("mat", "struct.mat", mat_file(mat_array(b"GTcls", 2, (1, 1), fields)))
    write("mat", "compressed.mat", mat_file(mat_element(15, zlib.compress(labels))))

    # The module of weights_fuzzer.cc: once as it is, once in other types and orders of extents.
    module = {
        "linear": ("F32", 4, [2, 3]),
        "pointwise": ("F32", 4, [2, 3, 1, 1]),
        "convolution": ("F32", 4, [2, 2, 3, 3]),
        "depthwise": ("F32", 4, [2, 1, 3, 3]),
        "bias": ("F32", 4, [2]),
        "running_mean": ("F32", 4, [2]),
        "num_batches_tracked": ("I64", 8, []),
    }
    write("safetensors", "module.safetensors", safetensors(module, {"step": "12"}))
    other = {
        "linear": ("F16", 2, [2, 3, 1, 1]),
        "pointwise": ("BF16", 2, [2, 3]),
        "convolution": ("F64", 8, [2, 2, 3, 3]),
        "bias": ("F32", 4, [1, 2]),
        "num_batches_tracked": ("U8", 1, []),
        "head": ("I16", 2, [3]),
    }
    write("safetensors", "other_types.safetensors", safetensors(other))
    write("safetensors", "empty_and_scalar.safetensors", safetensors({"none": ("F32", 4, [0, 3]), "one": ("BOOL", 1, [])}))


if __name__ == "__main__":
    main()
