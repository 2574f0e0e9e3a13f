"""Golden values of the formulas of reinforcement learning, as loops over their definitions in NumPy (float64).

Gradients are closed forms, and the script checks each against PyTorch's autograd before it writes anything.
Notation: B images, N sampled maps of each, h × w pixels, K classes; void is 255. Floats are stored as float64.

clipped_surrogate/{symmetric,asymmetric,first_update}, with clip_low and clip_high in the metadata
  loss = −mean(min(ratio · A, clamp(ratio, 1 − clip_low, 1 + clip_high) · A)),
  ratio = exp(log_probability − old_log_probability)
    log_probability, old_log_probability, advantage    [N, h, w]
    loss []; gradient                                  d loss / d log_probability
clipped_surrogate/logits
  The same from logits [B, h, w, K] and action [B, N, h, w]: loss [], gradient = d loss / d logits.

advantage/group_relative
  reward [B, N] to advantage: (R − mean) / (std + 1e-6) over each image's N, std biased. The last image's rewards
  are all equal.
advantage/synchronized
  reward [B, N, h, w] in {0, 1}, valid [B, h, w] to advantage: the same over all valid pixels × N × B at once; 0 at
  void pixels.

pairwise/{batch,single,settled}
  A_ij(p) = (R_i − R_j) · 1[a_i(p) ≠ a_j(p)], A_i = mean over j ≠ i of A_ij, from action [B, N, h, w], reward [B, N]:
    advantage           A, before any normalisation
    normalized_batch    A / (std + 1e-6), std over the non-zero entries of the whole batch: root mean square around
                        their own mean, biased; the mean is not subtracted
    normalized_image    the same with the non-zero entries of each image on its own
    log_probability     of the actions, [B, N, h, w]
    loss, gradient      −Σ normalized_batch · log_probability / (number of its non-zero entries), 0 if there are none
    old_log_probability, surrogate_loss, surrogate_gradient
                        the clipped surrogate (clip 0.2) of normalized_batch, averaged over the non-zero entries
  `settled` has equal maps in one image and equal rewards in the other, so that everything is 0.

reward/mean_iou
  label [B, h, w], map [B, N, h, w], K = 5 classes: intersection over union of each class over the pixels that are
  not void in the label, averaged over the classes that occur in the label (truth [B, N]), or in the label or the
  map (union [B, N]).

Checked in:  python3 rl.py
"""

import json

import numpy as np
import torch

import golden

VOID = 255


def check(name, closed_form, autograd):
    difference = np.abs(closed_form - autograd.numpy()).max()
    assert difference < 1e-14, f"{name}: the closed form differs from autograd by {difference}"


def surrogate(log_probability, old_log_probability, advantage, clip_low, clip_high, count):
    """Sum of the clipped objective over all entries, negated and divided by `count`; and its gradient."""
    loss, gradient = 0.0, np.zeros_like(log_probability)
    for i in np.ndindex(log_probability.shape):
        ratio = np.exp(log_probability[i] - old_log_probability[i])
        clipped = min(max(ratio, 1.0 - clip_low), 1.0 + clip_high)
        loss -= min(ratio * advantage[i], clipped * advantage[i]) / count
        if ratio * advantage[i] <= clipped * advantage[i]:
            gradient[i] = -ratio * advantage[i] / count
    return loss, gradient


def torch_surrogate(log_probability, old_log_probability, advantage, clip_low, clip_high):
    ratio = (log_probability - torch.from_numpy(old_log_probability)).exp()
    advantage = torch.from_numpy(advantage)
    return -torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip_low, 1.0 + clip_high) * advantage)


def clipped_surrogates(numbers, tensors, attributes):
    shape = (4, 3, 5)
    for name, clip_low, clip_high, spread in (
        ("symmetric", 0.2, 0.2, 0.4),
        ("asymmetric", 0.2, 0.28, 0.4),
        ("first_update", 0.2, 0.2, 0.0),
    ):
        log_probability = numbers.uniform(*shape, low=-3.0, high=-0.05)
        old = log_probability + numbers.normal(*shape, deviation=spread)
        advantage = numbers.normal(*shape)
        loss, gradient = surrogate(log_probability, old, advantage, clip_low, clip_high, log_probability.size)

        variable = torch.from_numpy(log_probability).requires_grad_()
        torch_surrogate(variable, old, advantage, clip_low, clip_high).mean().backward()
        check(name, gradient, variable.grad)
        attributes[f"clipped_surrogate/{name}"] = json.dumps({"clip_low": clip_low, "clip_high": clip_high})
        for key, value in dict(
            log_probability=log_probability,
            old_log_probability=old,
            advantage=advantage,
            loss=loss,
            gradient=gradient,
        ).items():
            tensors[f"clipped_surrogate/{name}/{key}"] = value

    batch, samples, height, width, classes = 2, 3, 2, 3, 4
    logits = numbers.normal(batch, height, width, classes)
    action = numbers.integers(0, classes, batch, samples, height, width)
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    log_probability = np.zeros(action.shape)
    for b, n, y, x in np.ndindex(action.shape):
        log_probability[b, n, y, x] = np.log(probability[b, y, x, action[b, n, y, x]])
    old = log_probability + numbers.normal(*action.shape, deviation=0.3)
    advantage = numbers.normal(*action.shape)
    loss, by_log_probability = surrogate(log_probability, old, advantage, 0.2, 0.2, action.size)
    gradient = np.zeros_like(logits)
    for b, n, y, x in np.ndindex(action.shape):
        one_hot = np.eye(classes)[action[b, n, y, x]]
        gradient[b, y, x] += by_log_probability[b, n, y, x] * (one_hot - probability[b, y, x])

    variable = torch.from_numpy(logits).requires_grad_()
    chosen = (
        variable.log_softmax(-1)[:, None]
        .expand(-1, samples, -1, -1, -1)
        .gather(-1, torch.from_numpy(action)[..., None])[..., 0]
    )
    torch_surrogate(chosen, old, advantage, 0.2, 0.2).mean().backward()
    check("logits", gradient, variable.grad)
    attributes["clipped_surrogate/logits"] = json.dumps({"clip_low": 0.2, "clip_high": 0.2})
    for key, value in dict(
        logits=logits,
        action=action,
        old_log_probability=old,
        advantage=advantage,
        loss=loss,
        gradient=gradient,
    ).items():
        tensors[f"clipped_surrogate/logits/{key}"] = value


def normalize(values):
    """(values − mean) / (std + 1e-6), std biased."""
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return [(value - mean) / (deviation + 1e-6) for value in values]


def advantages(numbers, tensors):
    reward = numbers.uniform(4, 8)
    reward[3] = 0.625
    tensors["advantage/group_relative/reward"] = reward
    tensors["advantage/group_relative/advantage"] = np.array([normalize(row) for row in reward])

    reward = (numbers.uniform(2, 3, 4, 5) < 0.3).astype(np.float64)
    valid = numbers.uniform(2, 4, 5) < 0.8
    places = [i for i in np.ndindex(reward.shape) if valid[i[0], i[2], i[3]]]
    advantage = np.zeros_like(reward)
    for i, value in zip(places, normalize([reward[i] for i in places])):
        advantage[i] = value
    tensors["advantage/synchronized/reward"] = reward
    tensors["advantage/synchronized/valid"] = valid.astype(np.uint8)
    tensors["advantage/synchronized/advantage"] = advantage


def nonzero_scale(advantage):
    values = [value for value in advantage.ravel() if value != 0.0]
    if not values:
        return 1.0
    mean = sum(values) / len(values)
    return (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5 + 1e-6


def pairwise(numbers, tensors):
    for name, batch in (("batch", 3), ("single", 1), ("settled", 2)):
        samples, height, width, classes = 4, 3, 4, 3
        action = numbers.integers(0, classes, batch, samples, height, width)
        reward = numbers.uniform(batch, samples)
        if name == "settled":
            action[0] = action[0, :1]
            reward[1] = 0.5

        advantage = np.zeros(action.shape)
        for b, i, y, x in np.ndindex(action.shape):
            others = [j for j in range(samples) if j != i]
            differences = [
                (reward[b, i] - reward[b, j]) * (action[b, i, y, x] != action[b, j, y, x]) for j in others
            ]
            advantage[b, i, y, x] = sum(differences) / len(others)

        by_batch = advantage / nonzero_scale(advantage)
        by_image = np.stack([image / nonzero_scale(image) for image in advantage])
        log_probability = numbers.uniform(*action.shape, low=-3.0, high=-0.05)
        old = log_probability + numbers.normal(*action.shape, deviation=0.3)
        count = max(1, np.count_nonzero(by_batch))
        loss, gradient = 0.0 - (by_batch * log_probability).sum() / count, 0.0 - by_batch / count
        surrogate_loss, surrogate_gradient = surrogate(log_probability, old, by_batch, 0.2, 0.2, count)

        variable = torch.from_numpy(log_probability).requires_grad_()
        (torch_surrogate(variable, old, by_batch, 0.2, 0.2).sum() / count).backward()
        check(name, surrogate_gradient, variable.grad)
        for key, value in dict(
            action=action,
            reward=reward,
            advantage=advantage,
            normalized_batch=by_batch,
            normalized_image=by_image,
            log_probability=log_probability,
            loss=loss,
            gradient=gradient,
            old_log_probability=old,
            surrogate_loss=surrogate_loss,
            surrogate_gradient=surrogate_gradient,
        ).items():
            tensors[f"pairwise/{name}/{key}"] = value


def rewards(numbers, tensors):
    batch, samples, height, width, classes = 3, 4, 5, 6, 5
    label = numbers.integers(0, classes, batch, height, width)
    label[0][label[0] == 4] = 1  # Class 4 is in some maps, but not in this label.
    label[1] = np.where(label[1] < 3, 2, label[1])
    label[numbers.uniform(*label.shape) < 0.2] = VOID
    maps = np.where(
        numbers.uniform(batch, samples, height, width) < 0.5,
        label[:, None],
        numbers.integers(0, classes, batch, samples, height, width),
    )
    maps[maps == VOID] = 0
    maps[2, 0] = np.where(label[2] == VOID, 3, label[2])  # A perfect map: reward 1.

    truth, union = np.zeros((batch, samples)), np.zeros((batch, samples))
    for b, n in np.ndindex(truth.shape):
        pairs = [(t, p) for t, p in zip(label[b].ravel(), maps[b, n].ravel()) if t != VOID]
        scores = {}
        for k in range(classes):
            both = sum(t == k and p == k for t, p in pairs)
            either = sum(t == k or p == k for t, p in pairs)
            if either > 0:
                scores[k] = both / either
        present = [scores[k] for k in scores if any(t == k for t, _ in pairs)]
        truth[b, n] = sum(present) / len(present)
        union[b, n] = sum(scores.values()) / len(scores)
    assert truth[2, 0] == union[2, 0] == 1.0
    assert (truth != union).any()
    for key, value in dict(
        label=label.astype(np.uint8), map=maps.astype(np.uint8), truth=truth, union=union
    ).items():
        tensors[f"reward/mean_iou/{key}"] = value


def main():
    options = golden.arguments(__doc__, "rl.safetensors").parse_args()
    numbers, tensors, attributes = golden.Numbers(5), {}, {}
    clipped_surrogates(numbers, tensors, attributes)
    advantages(numbers, tensors)
    pairwise(numbers, tensors)
    rewards(numbers, tensors)
    tensors = {
        name: np.asarray(value, np.uint8) if name.endswith("/action") else value
        for name, value in tensors.items()
    }
    golden.save(
        options.output,
        tensors,
        {"torch": torch.__version__, "numpy": np.__version__, **attributes},
        options.check,
        float_dtype=np.float64,
        tolerance=1e-12,
    )


if __name__ == "__main__":
    main()
