"""What nvcc made of a .cu file, read from its cubin (an ELF file) without any tool of the toolkit.

The attributes are those of NVIDIA's sections .nv.info; instructions are 16 bytes each, as on every architecture from
sm_70 to sm_90, with the operation in bits 0 to 11 and the width of a load or store in bits 73 to 75. Both are not
documented by NVIDIA: kernels_test.py checks them first, on kernels that are known (fixture.cu).
"""

import collections
import re
import struct

# Bits 0 to 11 of an instruction.
STORE_GLOBAL, LOAD_GLOBAL = 0x986, 0x981
LOCAL = {0x387: "STL", 0x983: "LDL"}
# Bits 73 to 75: bytes of a thread.
WIDTHS = [1, 1, 2, 2, 4, 8, 16, 16]

# Attributes of .nv.info, as (format, number).
VALUE = 0x04  # a size of 16 bits and as many bytes
MAX_THREADS, FRAME_SIZE, REGISTERS = 0x05, 0x11, 0x2F


class Kernel:
    """One kernel's machine code in numbers."""

    def __init__(self, symbol):
        self.symbol = symbol
        self.name, self.arguments = split_symbol(symbol)
        self.registers = 0
        self.frame_bytes = 0  # of a thread's stack: arrays in local memory and spilled registers
        self.max_threads = None  # of __launch_bounds__
        self.instructions = 0
        self.local = collections.Counter()  # by name: loads and stores of local memory
        self.stores, self.loads = collections.Counter(), collections.Counter()  # of global memory, by bytes

    def read_code(self, code):
        for low, high in struct.iter_unpack("<QQ", code):
            self.instructions += 1
            operation, width = low & 0xFFF, WIDTHS[high >> 9 & 7]
            if operation == STORE_GLOBAL:
                self.stores[width] += 1
            elif operation == LOAD_GLOBAL:
                self.loads[width] += 1
            elif operation in LOCAL:
                self.local[LOCAL[operation]] += 1


def split_symbol(symbol):
    """The last name of a mangled function and its template arguments, mangled: ("MapChannelsKernel", "ILi8E...")."""
    match = re.match(r"_ZN?", symbol)
    if match is None:
        return symbol, ""
    at, name = match.end(), symbol
    while number := re.match(r"\d+", symbol[at:]):
        at += number.end()
        name = symbol[at : at + int(number.group())]
        at += int(number.group())
    return name, symbol[at:]


def _sections(data):
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not an ELF file of 64 bits")
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    text = lambda table, at: data[headers[table][4] + at : data.index(b"\0", headers[table][4] + at)].decode()
    for name, _, _, _, start, length, link, _, _, entry in headers:
        yield text(names, name), data[start : start + length], link, entry, text


def _attributes(info):
    """(number, bytes) of the attributes that have a size of their own."""
    at = 0
    while at + 4 <= len(info):
        form, number, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form == VALUE:
            yield number, info[at : at + size]
            at += size


def read(path):
    """The kernels of a cubin, by symbol."""
    with open(path, "rb") as file:
        data = file.read()
    sections = list(_sections(data))
    kernels = {}
    for name, content, _, _, _ in sections:
        if name.startswith(".text."):
            kernel = kernels[name[6:]] = Kernel(name[6:])
            kernel.read_code(content)
    symbols = []
    for name, content, link, entry, text in sections:
        if name == ".symtab":
            symbols = [text(link, struct.unpack_from("<I", content, at)[0]) for at in range(0, len(content), entry)]
    for name, content, _, _, _ in sections:
        if name == ".nv.info":
            for number, value in _attributes(content):
                if number not in (FRAME_SIZE, REGISTERS):
                    continue
                symbol, amount = struct.unpack("<II", value)
                # Functions that kernels call, such as a division's, have a frame too.
                if symbols[symbol] in kernels:
                    setattr(kernels[symbols[symbol]], "frame_bytes" if number == FRAME_SIZE else "registers", amount)
        elif name.startswith(".nv.info."):
            for number, value in _attributes(content):
                if number == MAX_THREADS:
                    x, y, z = struct.unpack("<III", value)
                    kernels[name[9:]].max_threads = x * y * z
    return kernels
