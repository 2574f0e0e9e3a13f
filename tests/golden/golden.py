"""What every generator here shares: seeded numbers, NHWC conversion, and the file they end up in."""

import argparse
import os
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


class Numbers:
    """Random numbers that do not depend on PyTorch's version, each exactly representable in float32."""

    def __init__(self, seed):
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def normal(self, *shape, mean=0.0, deviation=1.0):
        values = self._generator.normal(mean, deviation, shape)
        return values.astype(np.float32).astype(np.float64)

    def uniform(self, *shape, low=0.0, high=1.0):
        values = self._generator.uniform(low, high, shape)
        return values.astype(np.float32).astype(np.float64)

    def integers(self, low, high, *shape):
        return self._generator.integers(low, high, shape)


def nhwc(tensor):
    """[N, C, H, W] to [N, H, W, C]; of a filter, [O, I, KH, KW] to [O, KH, KW, I]."""
    return tensor.permute(0, 2, 3, 1)


def to_numpy(tensor, float_dtype):
    array = tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)
    if array.dtype.kind == "f":
        array = array.astype(float_dtype)
    return array.copy(order="C")  # Unlike ascontiguousarray, this leaves a scalar without dimensions.


def arguments(description, default_output):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--output", default=os.path.join(here, default_output), help="default: %(default)s")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; compare with the existing file and exit with 1 where they differ",
    )
    return parser


def save(path, tensors, metadata, check=False, float_dtype=np.float32, tolerance=1e-5):
    """Writes (or, with check, compares) a safetensors file; metadata is a flat dictionary of strings."""
    arrays = {name: to_numpy(tensor, float_dtype) for name, tensor in sorted(tensors.items())}
    if not check:
        save_file(arrays, path, metadata={key: str(value) for key, value in metadata.items()})
        os.chmod(path, 0o644)  # save_file keeps it from everyone else.
        print(f"{path}: {len(arrays)} tensors, {os.path.getsize(path)} bytes")
        return
    failures = []
    with safe_open(path, framework="numpy") as file:
        if set(file.keys()) != set(arrays):
            failures.append(f"names differ: {sorted(set(file.keys()) ^ set(arrays))}")
        for name in set(file.keys()) & set(arrays):
            old, new = file.get_tensor(name), arrays[name]
            if old.shape != new.shape or old.dtype != new.dtype:
                failures.append(f"{name}: {old.dtype}{old.shape} became {new.dtype}{new.shape}")
                continue
            scale = max(1e-3, float(np.abs(old).max())) if old.size else 1.0
            if old.size and not np.allclose(old, new, rtol=0, atol=tolerance * scale, equal_nan=True):
                failures.append(f"{name}: differs by {np.abs(old.astype(float) - new).max():.3g}")
    for failure in failures:
        print(f"{path}: {failure}")
    print(f"{path}: {'differs' if failures else 'unchanged'}")
    sys.exit(1 if failures else 0)
