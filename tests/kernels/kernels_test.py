"""What nvcc made of our kernels: nothing lies in local memory that need not, and what is meant to be stored in packs is.

A fault here costs time and changes no result, so no other test can see it. Needs the toolkit, no device; where the
toolkit is missing, Bazel skips it.
"""

import os
import re
import unittest

from tests.kernels import cubin

# Kernels with a stack, their bytes at most, and why that is so.
TWO_BLOCKS = "two blocks a multiprocessor leave 128 registers a thread: a few values that the inner loop does not use"
FIVE_BLOCKS = "44 KB of shared memory allow five blocks a multiprocessor, for which ptxas keeps to 48 registers"
STACKS = {
    ("attention_cuda", "ForwardKernel"): (16, TWO_BLOCKS),
    ("attention_cuda", "KeyGradientKernel"): (64, TWO_BLOCKS),
    ("attention_cuda", "QueryGradientKernel"): (8, TWO_BLOCKS),
    ("categorical_cuda", "RowsKernel"): (16, FIVE_BLOCKS),
    ("categorical_surrogate_cuda", "RowsKernel"): (8, FIVE_BLOCKS),
    ("separable_cuda", "TablesKernel"): (208, "both axes by value, one of which each block takes; its work is a table"),
}

# Kernels that store packs of 16 bytes: which of their template arguments (mangled) make them do so, and the widths that
# they store besides.
WIDE = r"^I(?:(?!Li).)*Li[248]E"
STATISTICS = {4, 8}  # of a row or a pixel
TAIL = {1, 2, 4, 8}  # what is left of an array behind the last pack
PACKS = {
    ("array_cuda", "AccumulateAllKernel"): ("", TAIL),
    ("array_cuda", "AccumulateKernel"): ("", TAIL),
    ("array_cuda", "ConvertKernel"): ("", TAIL),
    ("array_cuda", "FillKernel"): ("", TAIL),
    ("batch_norm_cuda", "MapChannelsKernel"): (WIDE, set()),
    ("categorical_cuda", "RowsKernel"): (WIDE, TAIL),
    ("categorical_surrogate_cuda", "RowsKernel"): (WIDE, TAIL),
    ("categorical_surrogate_cuda", "ScaleKernel"): (WIDE, set()),
    ("conv2d_cuda", "BiasActivationKernel"): (WIDE, set()),
    ("cross_entropy_cuda", "GradientKernel"): (WIDE, TAIL),
    ("dropout_cuda", "ElementsKernel"): ("", TAIL),
    ("dropout_cuda", "MapChannelsKernel"): (WIDE, set()),
    ("elementwise_cuda", "BinaryKernel"): ("", TAIL),
    ("elementwise_cuda", "UnaryGradientKernel"): ("", TAIL),
    ("elementwise_cuda", "UnaryKernel"): ("", TAIL),
    ("grn_cuda", "MapChannelsKernel"): (WIDE, set()),
    ("group_norm_cuda", "MapChannelsKernel"): (WIDE, set()),
    ("layer_norm_cuda", "ForwardKernel"): (WIDE, STATISTICS),
    ("layer_norm_cuda", "InputGradientKernel"): (WIDE, set()),
    ("layer_norm_cuda", "ShortForwardKernel"): ("", STATISTICS),
    ("layer_norm_cuda", "ShortGradientKernel"): ("", {8}),  # partial sums in float64
    ("linear_cuda", "BiasActivationKernel"): (WIDE, set()),
    ("pooling_cuda", "ForwardKernel"): (WIDE, {2, 4, 8}),  # a byte an element says where the maximum was
    ("pooling_cuda", "GradientKernel"): (WIDE, set()),
    ("resized_cross_entropy_cuda", "ScaleKernel"): (WIDE, set()),
    ("separable_cuda", "BlendKernel"): (WIDE, set()),
    ("separable_cuda", "TwiceForwardKernel"): (WIDE, set()),
    ("separable_cuda", "TwiceGradientKernel"): (WIDE, set()),
    ("sliding_windows_cuda", "AddWindowsKernel"): (WIDE, {4}),  # how many windows have covered a pixel
    ("sliding_windows_cuda", "DivideKernel"): (WIDE, set()),
    ("softmax_cuda", "ForwardKernel"): (r"^ILi\d+ELi[248]E", set()),
    ("softmax_cuda", "GradientKernel"): (r"^ILi\d+ELi[248]E", set()),
}

# What Launch (autograd/core/launch_cuda.h) allows a block, and what a multiprocessor has.
MOST_THREADS, REGISTERS = 256, 65536


def stack_faults(kernels, allowed=STACKS):
    """Of kernels as (source, cubin.Kernel)."""
    for source, kernel in kernels:
        most, _ = allowed.get((source, kernel.name), (0, ""))
        if kernel.frame_bytes > most or (kernel.local and not most):
            yield "%s: %s has %d bytes of stack, %s: %s" % (
                source, kernel.name, kernel.frame_bytes, dict(kernel.local), kernel.symbol)


def store_faults(kernels, packs=PACKS):
    found = set()
    for source, kernel in kernels:
        if (source, kernel.name) not in packs:
            continue
        arguments, besides = packs[source, kernel.name]
        if not re.search(arguments, kernel.arguments):
            continue
        found.add((source, kernel.name))
        narrow = set(kernel.stores) - besides - {16}
        if not kernel.stores[16] or narrow:
            yield "%s: %s stores by bytes %s: %s" % (source, kernel.name, dict(kernel.stores), kernel.symbol)
    for source, name in sorted(set(packs) - found):
        yield "%s: there is no %s for packs" % (source, name)


def register_faults(kernels):
    for source, kernel in kernels:
        # A warp gets registers in units of 256.
        threads = kernel.max_threads or MOST_THREADS
        warp = (kernel.registers * 32 + 255) // 256 * 256
        if warp * ((threads + 31) // 32) > REGISTERS:
            yield "%s: %s: %d registers for blocks of %d" % (source, kernel.name, kernel.registers, threads)


def read_all():
    for folder, _, files in sorted(os.walk(".")):
        for file in sorted(files):
            if file.endswith(".cubin"):
                source = file[: -len(".cubin")]
                yield from ((source, kernel) for kernel in cubin.read(os.path.join(folder, file)).values())


class FixtureTest(unittest.TestCase):
    """The reader and the rules, on kernels that were made to break them."""

    @classmethod
    def setUpClass(cls):
        cls.kernels = {kernel.name: kernel for source, kernel in read_all() if source == "fixture"}

    def faults(self, rule, name, *arguments):
        return list(rule([("fixture", self.kernels[name])], *arguments))

    def test_widths(self):
        kernel = self.kernels["CopiesEveryWidth"]
        every = {width: 1 for width in (1, 2, 4, 8, 16)}
        self.assertEqual(kernel.stores, every)
        self.assertEqual(kernel.loads, every)
        self.assertEqual(self.kernels["StoresPacks"].stores, {16: 1})
        self.assertEqual(self.kernels["StoresNarrowly"].stores, {2: 8})

    def test_narrow_stores_are_found(self):
        packs = lambda name: {("fixture", name): ("", set())}
        self.assertEqual(self.faults(store_faults, "StoresPacks", packs("StoresPacks")), [])
        self.assertEqual(len(self.faults(store_faults, "StoresNarrowly", packs("StoresNarrowly"))), 1)
        self.assertEqual(len(self.faults(store_faults, "StoresPacks", packs("Another"))), 1)

    def test_spills_and_stacks_are_found(self):
        self.assertEqual(self.faults(stack_faults, "StoresPacks"), [])
        for name in ("Spills", "HasAStack"):
            self.assertGreater(self.kernels[name].local["STL"], 0)
            self.assertGreater(self.kernels[name].local["LDL"], 0)
            self.assertEqual(len(self.faults(stack_faults, name)), 1)
        self.assertEqual(self.kernels["HasAStack"].frame_bytes, 128)
        self.assertEqual(self.faults(stack_faults, "HasAStack", {("fixture", "HasAStack"): (128, "")}), [])
        self.assertEqual(len(self.faults(stack_faults, "HasAStack", {("fixture", "HasAStack"): (127, "")})), 1)

    def test_launch_bounds(self):
        kernel = self.kernels["Spills"]
        self.assertEqual((kernel.max_threads, kernel.registers), (1024, 64))
        self.assertEqual(self.faults(register_faults, "Spills"), [])
        kernel = cubin.Kernel("Planted")
        kernel.registers, kernel.max_threads = 65, 1024
        self.assertEqual(len(list(register_faults([("", kernel)]))), 1)


class KernelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernels = [(source, kernel) for source, kernel in read_all() if source != "fixture"]

    def test_every_kernel_was_read(self):
        self.assertGreater(len(self.kernels), 500)
        for source, kernel in self.kernels:
            self.assertGreater(kernel.registers, 0, (source, kernel.symbol))
            self.assertGreater(kernel.instructions, 0, (source, kernel.symbol))

    def test_stacks(self):
        self.assertEqual(list(stack_faults(self.kernels)), [])

    def test_every_listed_stack_is_there(self):
        found = {(source, kernel.name) for source, kernel in self.kernels if kernel.frame_bytes}
        self.assertEqual(set(STACKS) - found, set())

    def test_stores(self):
        self.assertEqual(list(store_faults(self.kernels)), [])

    def test_registers(self):
        self.assertEqual(list(register_faults(self.kernels)), [])


if __name__ == "__main__":
    unittest.main()
