"""Writes four_ink_jpegs.h beside this script: tiny JPEGs of four channels and the colours that Pillow (10 and later) shows for them.

  python3 make_four_ink_jpegs.py > four_ink_jpegs.h

Each is 16 x 16 pixels: four flat blocks, left to right and top to bottom, whose middle pixels are compared.
"""

import io

from PIL import Image

INKS = [(20, 90, 7, 0), (200, 30, 120, 60), (0, 255, 255, 10), (128, 128, 128, 128)]


def cmyk():
    image = Image.new("CMYK", (16, 16))
    for block, inks in enumerate(INKS):
        image.paste(inks, (block % 2 * 8, block // 2 * 8, block % 2 * 8 + 8, block // 2 * 8 + 8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, subsampling=0, optimize=True)
    return file.getvalue()


def adobe(file):
    """Begin and end of Adobe's APP14 segment; its last byte is the transform: 0 for CMYK, 2 for YCCK."""
    begin = file.index(b"\xff\xee\x00\x0eAdobe")
    return begin, begin + 16


def colours(file):
    image = Image.open(io.BytesIO(file)).convert("RGB")
    return [image.getpixel((block % 2 * 8 + 4, block // 2 * 8 + 4)) for block in range(4)]


def main():
    with_marker = cmyk()
    begin, end = adobe(with_marker)
    files = {
        "CMYK with Adobe's marker": with_marker,
        "CMYK without a marker": with_marker[:begin] + with_marker[end:],
        "YCCK": with_marker[: end - 1] + b"\x02" + with_marker[end:],
    }
    print("// Written by make_four_ink_jpegs.py: four flat blocks of 8 x 8 pixels each, and their colours by Pillow.")
    print("#pragma once\n\n#include \"data/formats/image.h\"\n\nnamespace data {\n")
    print("struct FourInkJpeg {\n  const char* name;\n  const char* hex;\n  Color colors[4];\n};\n")
    print("inline constexpr FourInkJpeg kFourInkJpegs[] = {")
    for name, file in files.items():
        text = file.hex()
        lines = "\n".join(f'     "{text[i : i + 100]}"' for i in range(0, len(text), 100))
        shown = ", ".join("{%d, %d, %d}" % colour for colour in colours(file))
        print(f'    {{"{name}",\n{lines},\n     {{{shown}}}}},')
    print("};\n\n}  // namespace data")


if __name__ == "__main__":
    main()
