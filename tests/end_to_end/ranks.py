"""Several ranks on CPUs: how they are started, and what may lie between two that share a batch and one that has it whole."""

import array
import csv
import json
import os
import shutil
import struct
import unittest

from tests.end_to_end.commands import TEMPORARY, run

# What rounding may make of a step's loss, running statistics and gradients: float32's unit roundoff is 2^-24, no sum in
# these networks has more than 4096 terms (4 images of 32 × 32 pixels), and a sum of n rounded terms is off by 8·√n unit
# roundoffs at most, but for one in 10^10 (Higham and Mary, SIAM J. Sci. Comput. 41, 2019, theorem 2.4).
ROUNDING = 8 * 4096**0.5 * 2**-24

# The gradients behind a ReLU jump where its input passes zero. Of 10^5 inputs one lies within rounding of it in one run
# of fifty, nearly always in a map of 2048 units or more (4 images of 4 × 4 pixels, 32 channels). There it is one of as
# many terms, as good as random, of the gradients before it: 1/√2048 of them. Two may.
OPENED = 2 / 2048**0.5

ENVIRONMENT = {
    **os.environ,
    # Root in a container is no accident; a machine with two cores, shared memory only, no remote shell.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl": "self,vader",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_plm_rsh_agent": "/bin/false",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "TMPDIR": "/tmp",  # a socket's path must be short
    "HOME": TEMPORARY,
}


def ranks(count, command):
    return ["mpirun", "-n", str(count), *command]


def read_tensors(path):
    """{name: values} of the float32 tensors of a .safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = array.array("f", data[8 + length + begin : 8 + length + end])
    return tensors


def checkpoint(output, row, step):
    return os.path.join(output, row, f"checkpoints/step_{step:09d}.safetensors")


def read_log(output, column):
    with open(os.path.join(output, "log.csv"), newline="") as file:
        return {int(row["step"]): float(row[column]) for row in csv.DictReader(file) if row[column] not in ("", "nan")}


def gradients(before, after):
    """Of the step between two checkpoints, out of AdamW's first moments: m' = 0.9 m + 0.1 g."""
    prefix = "optimizer.first_moment."
    return {name[len(prefix) :]: [10 * (new - 0.9 * old) for old, new in zip(before[name], values)]
            for name, values in after.items() if name.startswith(prefix)}


def distance(first, second, wanted=""):
    """Of all tensors whose name contains `wanted`, as one vector: the difference's norm over the norm; 0 of none."""
    names = [name for name in second if wanted in name]
    difference = sum((a - b) ** 2 for name in names for a, b in zip(first[name], second[name]))
    return (difference / sum(a * a for name in names for a in second[name])) ** 0.5 if names else 0


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun (Debian: openmpi-bin)")
class RanksTest(unittest.TestCase):
    def run_ranks(self, count, command):
        result = run(ranks(count, command), env=ENVIRONMENT)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result
