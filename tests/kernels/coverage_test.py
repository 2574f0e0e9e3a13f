"""Every folder with CUDA kernels gives its machine code to kernels_test."""

import os
import re
import unittest


class CoverageTest(unittest.TestCase):
    def test_every_folder_is_read(self):
        # Under `bazel test` this file is a link to the real one, above which the whole tree lies.
        here = os.path.dirname(os.path.realpath(__file__))
        root = os.path.dirname(os.path.dirname(here))
        self.assertTrue(os.path.exists(os.path.join(root, "WORKSPACE")), root)
        with open(os.path.join(here, "BUILD"), encoding="utf-8") as file:
            read = set(re.findall(r'"//([\w/]+):cubins"', file.read()))
        kernels = set()
        for top in ("autograd", "nn", "rl", "seg", "data", "experiments"):
            for folder, _, files in os.walk(os.path.join(root, top)):
                if any(name.endswith(".cu") for name in files):
                    kernels.add(os.path.relpath(folder, root))
        self.assertGreater(len(kernels), 5)
        self.assertEqual(kernels, read)


if __name__ == "__main__":
    unittest.main()
