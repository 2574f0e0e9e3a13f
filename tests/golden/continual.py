"""Distillation, pseudo-labels and losses of PLOP and MiB in plain PyTorch, and their gradients.

Written from the papers (Douillard et al., "PLOP", CVPR 2021; Cermelli et al., "Modeling the background", CVPR 2020) and from what
the releases are known to compute otherwise; maps, logits and labels are given.

  local POD     each map squared; at scale s in 1, 2, 4, with k = floor(width / s), each of the s × s cells of k × k pixels gives
                its means over the width and over the height; all of them in one vector. distance = mean over images of
                ‖vector(new) − vector(old)‖. Of the logits after channel 0 += Σ of the new classes'.
  pod           √(C_seen / C_new) · (0.01·Σ of the maps' distances + 0.0005·that of the logits) / number of maps, the logits one
  entropy       of the old logits, resized to the labels: paper −Σ q·ln q; code −mean(q·ln(q + 1e-8)) / (ln C_old · ln C_seen)
  pseudo-label  background-labelled pixels take the old prediction where the entropy is below its class's threshold, else 255;
                factor = certain / (background + 1e-6) of each image
  plop          mean over all pixels, void ones too, of factor · cross entropy of the resized logits
  mib           unbiased cross entropy (mean over all pixels) + 10 · unbiased distillation (mean over pixels and old classes)
  loss          plop of the paper's pseudo-labels + plop of the code's + pod + mib

Tensors ([N, C, H, W]):
  new.map<i>, old.map<i>; new.logits [N, C_seen, h, w], old.logits [N, C_old, h, w]; label [N, H, W], 255 void
  distance.map<i>, distance.logits, pod
  entropy.<reading> [N, H, W]; prediction [N, H, W]; thresholds.<reading> [C_old]; pseudo.<reading> [N, H, W];
  factor.<reading> [N]; plop.<reading>, for the readings paper and code
  mib.cross_entropy, mib.distillation, loss; gradient.new.map<i>, gradient.new.logits

Thresholds are in the middle of gaps, so that rounding moves no pixel over them. Computed in float64 from float32 inputs, rounded
to float32 once. Checked in:
  python3 continual.py
"""

import math

import numpy as np
import torch
from torch.nn import functional

import golden

SCALES = (1, 2, 4)
VOID = 255


def pod_vector(x):
    x = x**2
    parts = []
    for scale in SCALES:
        k = x.shape[3] // scale
        for i in range(scale):
            for j in range(scale):
                cell = x[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k]
                parts += [cell.mean(3).flatten(1), cell.mean(2).flatten(1)]
    return torch.cat(parts, 1)


def pod_distance(new, old):
    return torch.stack([torch.linalg.vector_norm(a - b) for a, b in zip(pod_vector(new), pod_vector(old))]).mean()


def fold(logits, old_classes):
    return torch.cat([logits[:, :1] + logits[:, old_classes:].sum(1, keepdim=True), logits[:, 1:old_classes]], 1)


def resized(logits, size):
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def thresholds_in_gaps(entropy, prediction, background, classes, first, last):
    """For each class a number between these quantiles of its background pixels, in the middle of a wide gap between two."""
    thresholds = []
    for c in range(classes):
        values = np.sort(entropy[background & (prediction == c)].numpy())
        assert len(values) > 40, f"class {c} is predicted {len(values)} times"
        low, high = int(first * len(values)), int(last * len(values))
        at = low + int(np.argmax(np.diff(values[low:high])))
        thresholds.append(np.float64(np.float32((values[at] + values[at + 1]) / 2)))
        gap = min(thresholds[-1] - values[at], values[at + 1] - thresholds[-1]) / thresholds[-1]
        assert gap > 1e-4, f"gap {gap}"
    return torch.tensor(thresholds, dtype=torch.float64)


def main():
    parser = golden.arguments(__doc__, "continual_micro.safetensors")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--old-classes", type=int, default=4)
    parser.add_argument("--new-classes", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=(11, 8, 6), help="of the maps; that of the logits is the last")
    parser.add_argument("--channels", type=int, nargs="+", default=(3, 4, 5))
    parser.add_argument("--label-size", type=int, default=21)
    parser.add_argument("--seed", type=int, default=61)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    old_classes, classes = options.old_classes, options.old_classes + options.new_classes
    new, old = {}, {}
    shapes = {f"map{i}": (options.channels[i], size) for i, size in enumerate(options.sizes)}
    for name, (channels, size) in shapes.items():
        shape = (options.batch, channels, size, size)
        old[name] = torch.from_numpy(numbers.normal(*shape))
        new[name] = (old[name] + torch.from_numpy(numbers.normal(*shape, deviation=0.3))).float().double()
    grid = options.sizes[-1]
    old["logits"] = torch.from_numpy(numbers.normal(options.batch, old_classes, grid, grid, deviation=2))
    new["logits"] = torch.from_numpy(numbers.normal(options.batch, classes, grid, grid, deviation=2))
    size = (options.label_size, options.label_size)
    # Background, the current classes, and void; the last image has little background.
    choices = np.array([0] * 6 + list(range(old_classes, classes)) + [VOID])
    label = choices[numbers.integers(0, len(choices), options.batch, *size)]
    label[-1, 2:] = old_classes
    label = torch.from_numpy(label)
    for tensor in new.values():
        tensor.requires_grad_()

    tensors = {}
    # Local POD.
    distances = {name: pod_distance(new[name], old[name]) for name in shapes}
    distances["logits"] = pod_distance(fold(new["logits"], old_classes), old["logits"])
    weights = {name: 0.0005 if name == "logits" else 0.01 for name in distances}
    factor = math.sqrt(classes / options.new_classes)
    pod = sum(factor * weights[name] * distance for name, distance in distances.items()) / len(distances)
    tensors.update({f"distance.{name}": distance for name, distance in distances.items()})

    # Pseudo-labels.
    q = torch.softmax(resized(old["logits"], size), 1)
    top = q.topk(2, dim=1).values
    assert (top[:, 0] - top[:, 1]).min() > 1e-4, "a prediction is too close to call"
    prediction = q.argmax(1)
    background = label < old_classes
    entropies = {
        "paper": -(q * q.log()).sum(1),
        "code": -(1 / math.log(old_classes)) * (q * (q + 1e-8).log()).mean(1) / math.log(classes),
    }
    logits = resized(new["logits"], size)
    loss = pod
    for reading, entropy in entropies.items():
        quantiles = (0.4, 0.6) if reading == "paper" else (0.2, 0.35)
        thresholds = thresholds_in_gaps(entropy, prediction, background, old_classes, *quantiles)
        certain = background & (entropy < thresholds[prediction])
        pseudo = torch.where(certain, prediction, torch.where(background, VOID, label))
        nu = certain.flatten(1).sum(1) / (background.flatten(1).sum(1) + 1e-6)
        pixels = functional.cross_entropy(logits, pseudo, ignore_index=VOID, reduction="none")
        plop = (pixels * nu[:, None, None]).mean()
        loss = loss + plop
        print(f"{reading}: factors {[round(v, 3) for v in nu.tolist()]}, loss {plop.item():.4f}")
        tensors.update({f"entropy.{reading}": entropy, f"thresholds.{reading}": thresholds, f"plop.{reading}": plop})
        tensors.update({f"pseudo.{reading}": pseudo.to(torch.uint8), f"factor.{reading}": nu})

    # MiB.
    normaliser = torch.logsumexp(logits, 1)
    of_background = torch.logsumexp(logits[:, :old_classes], 1) - normaliser
    log_p = logits - normaliser[:, None]
    chosen = log_p.gather(1, label.clamp(max=classes - 1)[:, None])[:, 0]
    pixels = -torch.where(label < old_classes, of_background, chosen)
    mib_cross_entropy = torch.where(label == VOID, torch.zeros_like(pixels), pixels).mean()
    not_taught = torch.logsumexp(torch.cat([logits[:, :1], logits[:, old_classes:]], 1), 1) - normaliser
    mib_distillation = -(q * torch.cat([not_taught[:, None], log_p[:, 1:old_classes]], 1)).mean(1).mean()
    loss = loss + mib_cross_entropy + 10 * mib_distillation
    loss.backward()

    tensors.update({"label": label.to(torch.uint8), "prediction": prediction.to(torch.uint8), "pod": pod, "loss": loss})
    tensors.update({"mib.cross_entropy": mib_cross_entropy, "mib.distillation": mib_distillation})
    for name in new:
        tensors[f"new.{name}"], tensors[f"old.{name}"] = new[name], old[name]
        tensors[f"gradient.new.{name}"] = new[name].grad
    golden.save(
        options.output,
        tensors,
        {"family": "continual", "layout": "NCHW", "maps": len(options.sizes), "torch": torch.__version__},
        options.check,
    )


if __name__ == "__main__":
    main()
