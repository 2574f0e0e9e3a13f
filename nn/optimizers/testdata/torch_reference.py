"""Prints the expected values of optimizer_test.cc, from torch.optim in float64.

    python3 nn/optimizers/testdata/torch_reference.py

Four elements: x_i = sin(i + 1) at first; the gradient of step t = 0, 1, ... is cos(0.7 i + 0.3 t) * (1 + 0.1 t).
"""

import torch


def run(make, steps):
    x = torch.nn.Parameter(torch.sin(torch.arange(1, 5, dtype=torch.float64)))
    optimizer = make([x])
    for t in range(steps):
        i = torch.arange(4, dtype=torch.float64)
        x.grad = torch.cos(0.7 * i + 0.3 * t) * (1 + 0.1 * t)
        optimizer.step()
    return x.detach()


CASES = {
    "sgd plain": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.05),
    "adamw betas": lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.0),
}

for name, make in CASES.items():
    for steps in (1, 3, 25):
        print(f"{name:14s} {steps:3d}  " + ", ".join(f"{v:.9f}" for v in run(make, steps).tolist()))
