"""Plants one violation of each rule of layering.py in an otherwise clean tree, and expects exactly that one."""

import os
import tempfile
import unittest

from tools import layering

CLEAN = {
    "autograd/autograd.h": '#include "autograd/ops/conv.h"\n',
    "autograd/BUILD": 'cc_library(name = "autograd", deps = ["//autograd/ops"], visibility = ["//visibility:public"])\n',
    "autograd/collective/nccl.cc": "#include <nccl.h>\n",
    "autograd/collective/mpi.cc": "#include <mpi.h>\n",
    "autograd/core/array.h": '#include "autograd/runtime/stream.h"\n',
    "autograd/core/array_test.cc": '#include "autograd/testing/tolerance.h"\n',
    "autograd/cpu/eigen.h": "#include <Eigen/Core>\n",
    "autograd/ops/BUILD": 'op_library(name = "conv", cpu_deps = ["@onednn//:onednn"])\n',
    "autograd/ops/conv.cc": '#include "autograd/ops/conv_kernels.h"\n#include "autograd/core/tape.h"\n',
    "autograd/ops/conv_cpu.cc": '#include "autograd/cpu/pool.h"\n#include "oneapi/dnnl/dnnl.hpp"\n',
    "autograd/ops/conv_cuda.cu": '#include <cuda_bf16.h>\n#include "autograd/cuda/stream.h"\n',
    "data/formats/png.cc": '#include <png.h>\n#include "autograd/core/array.h"\n',
    "experiments/rss/main.cc": '#include "rl/a.h"\n#include "seg/a.h"\n#include "data/a.h"\n#include "nn/a.h"\n',
    "experiments/BUILD": 'x(deps = ["//rl", "//seg", "//data", "//tools:y"])\n',
    "nn/linear.h": '#include <vector>\n#include "autograd/autograd.h"\n',
    "nn/update_cpu.cc": "#include <Eigen/Core>\n",
    "nn/update_cuda.cu": "#include <cuda_runtime.h>\n",
    "rl/a.h": '#include "nn/linear.h"\n',
    "rl/BUILD": 'cc_library(name = "rl", deps = ["//nn"], visibility = ["//seg:__pkg__"])  # not "//seg"\n',
    "seg/a.h": '#include "nn/linear.h"\n#include "autograd/autograd.h"\n',
    "tests/end_to_end_test.cc": '#include "rl/a.h"\n#include "seg/a.h"\n',
}

VIOLATIONS = [
    ("rl/b.h", '#include "seg/a.h"'),
    ("seg/b.cc", '#include "rl/a.h"'),
    ("seg/b_test.cc", '#include "rl/a.h"'),
    ("seg/c.cc", '#include "data/a.h"'),
    ("seg/d.cc", '#include "experiments/a.h"'),
    ("data/b.h", '#include "nn/linear.h"'),
    ("data/c.h", '#include "autograd/ops/conv.h"'),
    ("nn/b.h", '#include "seg/a.h"'),
    ("autograd/ops/b.h", '#include "nn/linear.h"'),
    ("autograd/runtime/b.h", '#include "autograd/core/array.h"'),
    ("autograd/core/b.h", '#include "autograd/ops/conv.h"'),
    ("autograd/core/c.h", '#include "autograd/autograd.h"'),
    ("autograd/ops/c.cc", '#include "autograd/cpu/pool.h"'),
    ("autograd/ops/d_cpu.cc", '#include "autograd/cuda/stream.h"'),
    ("autograd/ops/e.cc", "#include <Eigen/Dense>"),
    ("autograd/ops/f_kernels.h", '#  include "dnnl.hpp"'),
    ("nn/c.cc", "#include <oneapi/dnnl/dnnl.hpp>"),
    ("autograd/runtime/d.cc", "#include <cuda_runtime.h>"),
    ("seg/e.cu", "#include <cub/block/block_reduce.cuh>"),
    ("autograd/cpu/g.cc", "#include <cudnn.h>"),
    ("nn/d.cc", "#include <mpi.h>"),
    ("data/d.h", '#include "absl/synchronization/mutex.h"'),
    ("rl/policies/BUILD", 'cc_library(name = "x", deps = ["//seg/metrics"])'),
    ("data/formats/BUILD", 'cc_library(name = "x", deps = ["@onednn//:onednn"])'),
    ("nn/BUILD", 'cc_library(name = "x", deps = ["@openmpi//:mpi"])'),
    ("data/loaders/BUILD.bazel", 'cc_library(name = "x", deps = ["//autograd"])'),
]


def write(root, files):
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(content)


class LayeringTest(unittest.TestCase):
    def test_clean_tree_passes(self):
        with tempfile.TemporaryDirectory() as root:
            write(root, CLEAN)
            violations, count = layering.check_tree(root)
            self.assertEqual(violations, [])
            self.assertEqual(count, len(CLEAN))

    def test_each_planted_violation_is_found_with_its_line(self):
        for path, line in VIOLATIONS:
            with self.subTest(path=path), tempfile.TemporaryDirectory() as root:
                write(root, CLEAN)
                write(root, {path: "\n" + line + "\n"})
                violations, _ = layering.check_tree(root)
                self.assertEqual(len(violations), 1, violations)
                self.assertTrue(violations[0].startswith(path + ":2: "), violations)


if __name__ == "__main__":
    unittest.main()
