"""The nets of CiSS-Net in plain PyTorch, and their golden outputs and the loss of a rollout with its gradients.

Written from the paper (Zhou et al., CVPR 2019): the first convolution of a trunk is one over the concatenation [X, F_e], group
norms have the paper's form with `--group-channels` channels a group, rewards are loops over equation 4. X is given: the
ResNet that makes it has files of its own. No dropout.

  Base(X)        two (3×3, GroupNorm, ReLU), 1×1
  F_e(map)       one-hot; for bins 1, 2, 3, 6: adaptive average, 1×1, GroupNorm, ReLU, bilinear; 1×1 of the concatenation
  Bias, C-Net    four (3×3, GroupNorm, ReLU) of [X, F_e], then 3×3: to the classes; to the policy's two, and to the value
  rollout        Y^0 = argmax Base(X); for t = 0, 1: K^t = (Y^t + 1)·B^t with the file's actions B^t,
                 logits^{t+1} = Base(X) + Bias(X, K^t), Y^{t+1} = argmax, r_t = equation 4 on the grid
  R_1 = r_1 + γ·V(Y^2), R_0 = r_0 + γ·R_1, A_t = R_t − V(Y^t), both constants
  loss           mean over t = 0, 1 and the grid's pixels that are not void of −log π(B^t)·A_t + (R_t − V(Y^t))² + λ2·Σ π log π,
                 + mean over t = 0, 1, 2 of the cross entropy of logits^t, resized to the labels, over pixels that are not void
  labels of the grid: label[⌊(i + ½)·H/h⌋, ⌊(j + ½)·W/w⌋]

Tensors ([N, C, H, W], [O, I, KH, KW]):
  base.…, bias.…, context.…     weights; conv1.features and conv1.encoded are the parts of the first convolutions over X and F_e
  x [N, C, h, w], label [N, H, W] uint8 (void 255), action [2, N, h, w] uint8
  p_map [3, N, h, w], context_map [2, N, h, w] uint8
  encoded.context, encoded.p_map   F_e(K^0) of Bias, F_e(Y^0) of C-Net
  logits.{0,1,2}, policy.{0,1}, value.{0,1,2} [N, h, w], reward.{0,1} [N, h, w]
  loss.{actor_critic,segmentation}, loss
  gradient.<name>, gradient.x
  small.map [1, 3, 4] uint8, small.encoded   F_e of C-Net on a grid with fewer rows and columns than bins

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 ciss_net.py
"""

import torch
from torch import nn
from torch.nn import functional

import golden

VOID = 255
BINS = (1, 2, 3, 6)


def group_norm(channels, options):
    return nn.GroupNorm(channels // options.group_channels, channels)


def one_hot(labels, values):
    return functional.one_hot(labels, values).permute(0, 3, 1, 2).double()


class LabelEncoder(nn.Module):
    def __init__(self, values, options):
        super().__init__()
        self.values = values
        width = options.branch_width
        self.branches = nn.ModuleList(
            nn.ModuleDict({"conv": nn.Conv2d(values, width, 1, bias=False), "norm": group_norm(width, options)})
            for _ in BINS
        )
        self.projection = nn.Conv2d(values + len(BINS) * width, options.label_width, 1)

    def forward(self, labels, relu):
        features = one_hot(labels, self.values)
        levels = [features]
        for bins, branch in zip(BINS, self.branches, strict=True):
            level = relu(branch["norm"](branch["conv"](functional.adaptive_avg_pool2d(features, bins))))
            levels.append(functional.interpolate(level, labels.shape[1:], mode="bilinear", align_corners=False))
        return self.projection(torch.cat(levels, 1))


class Trunk(nn.Module):
    def __init__(self, options):
        super().__init__()
        width, inputs = options.width, options.features + options.label_width
        for i in range(1, 5):
            setattr(self, f"conv{i}", nn.Conv2d(inputs if i == 1 else width, width, 3, padding=1, bias=False))
            setattr(self, f"norm{i}", group_norm(width, options))

    def forward(self, features, relu):
        for i in range(1, 5):
            features = relu(getattr(self, f"norm{i}")(getattr(self, f"conv{i}")(features)))
        return features


class Base(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.conv1 = nn.Conv2d(options.features, options.width, 3, padding=1, bias=False)
        self.norm1 = group_norm(options.width, options)
        self.conv2 = nn.Conv2d(options.width, options.width, 3, padding=1, bias=False)
        self.norm2 = group_norm(options.width, options)
        self.classifier = nn.Conv2d(options.width, options.classes, 1)

    def forward(self, x, relu):
        return self.classifier(relu(self.norm2(self.conv2(relu(self.norm1(self.conv1(x)))))))


class Bias(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.encoder = LabelEncoder(options.classes + 1, options)
        self.trunk = Trunk(options)
        self.classifier = nn.Conv2d(options.width, options.classes, 3, padding=1)


class ContextNet(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.encoder = LabelEncoder(options.classes, options)
        self.trunk = Trunk(options)
        self.policy = nn.Conv2d(options.width, 2, 3, padding=1)
        self.value = nn.Conv2d(options.width, 1, 3, padding=1)


class CissNet(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.base, self.bias, self.context = Base(options), Bias(options), ContextNet(options)
        self.kinks = []

    def relu(self, features):
        self.kinks.append(float(features.detach().abs().min()))
        return torch.relu(features)

    def segment(self, x, context_map):
        encoded = self.bias.encoder(context_map, self.relu)
        hidden = self.bias.trunk(torch.cat([x, encoded], 1), self.relu)
        return self.base(x, self.relu) + self.bias.classifier(hidden)

    def judge(self, x, p_map):
        encoded = self.context.encoder(p_map, self.relu)
        hidden = self.context.trunk(torch.cat([x, encoded], 1), self.relu)
        return self.context.policy(hidden), self.context.value(hidden)[:, 0]


def randomize(network, numbers):
    for name, parameter in network.named_parameters():
        shape = parameter.shape
        if parameter.ndim > 1:
            values = numbers.normal(*shape, deviation=(1.5 / parameter[0].numel()) ** 0.5)
        elif ".norm" in name and name.endswith("weight"):
            values = numbers.normal(*shape, mean=1.0, deviation=0.2)
        else:
            values = numbers.normal(*shape, deviation=0.1)
        parameter.data.copy_(torch.from_numpy(values))


def labels_at(label, height, width):
    rows = torch.tensor([(2 * i + 1) * label.shape[1] // (2 * height) for i in range(height)])
    columns = torch.tensor([(2 * j + 1) * label.shape[2] // (2 * width) for j in range(width)])
    return label[:, rows][:, :, columns]


def reward_of(before, after, context, truth, options):
    """Equation 4, with the window cut at the border and void pixels left out of it."""
    count, height, width = truth.shape
    rewards = torch.zeros(truth.shape, dtype=torch.float64)
    down, across = options.window_height // 2, options.window_width // 2
    worth = {(False, True): 1.0, (True, False): -1.0, (False, False): 0.0, (True, True): 0.5}
    for n in range(count):
        for i in range(height):
            for j in range(width):
                scores = []
                for y in range(max(0, i - down), min(height, i + down + 1)):
                    for x in range(max(0, j - across), min(width, j + across + 1)):
                        label = int(truth[n, y, x])
                        if label != VOID:
                            scores.append(worth[int(before[n, y, x]) == label, int(after[n, y, x]) == label])
                reward = sum(scores) / len(scores) if scores else 0.0
                if int(truth[n, i, j]) != VOID and int(context[n, i, j]) == int(truth[n, i, j]) + 1:
                    reward += options.right_context
                if int(context[n, i, j]) == 0:
                    reward += options.uncertain
                rewards[n, i, j] = reward
    return rewards


def margin(logits):
    largest = logits.detach().topk(2, 1).values
    return float((largest[:, 0] - largest[:, 1]).min())


def split_first(name, tensor, features):
    """The first convolution of a trunk as its two parts."""
    if name.endswith("trunk.conv1.weight"):
        stem = name.removesuffix("weight")
        return {f"{stem}features.weight": tensor[:, :features], f"{stem}encoded.weight": tensor[:, features:]}
    return {name: tensor}


def main():
    parser = golden.arguments(__doc__, "ciss_net_micro.safetensors")
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--features", type=int, default=8, help="channels of X")
    parser.add_argument("--width", type=int, default=8, help="of Base and the trunks")
    parser.add_argument("--label-width", type=int, default=6)
    parser.add_argument("--branch-width", type=int, default=4)
    parser.add_argument("--group-channels", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--grid", type=int, nargs=2, default=(7, 9))
    parser.add_argument("--label-size", type=int, nargs=2, default=(25, 38))
    parser.add_argument("--window-height", type=int, default=5)
    parser.add_argument("--window-width", type=int, default=3)
    parser.add_argument("--right-context", type=float, default=0.4, help="β1")
    parser.add_argument("--uncertain", type=float, default=0.2, help="β2")
    parser.add_argument("--discount", type=float, default=0.9)
    parser.add_argument("--entropy-weight", type=float, default=0.05, help="λ2")
    parser.add_argument("--seed", type=int, default=47)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    network = CissNet(options).double()
    randomize(network, numbers)
    height, width = options.grid
    x = torch.from_numpy(numbers.normal(options.batch, options.features, height, width)).requires_grad_()
    label = torch.from_numpy(numbers.integers(0, options.classes, options.batch, *options.label_size))
    label[torch.from_numpy(numbers.uniform(*label.shape)) < 0.15] = VOID
    action = torch.from_numpy(numbers.integers(0, 2, 2, options.batch, height, width))
    small = torch.from_numpy(numbers.integers(0, options.classes, 1, 3, 4))
    truth = labels_at(label, height, width)
    valid = truth != VOID

    logits = [network.base(x, network.relu)]
    p_maps, context_maps, policies, values, rewards = [logits[0].argmax(1)], [], [], [], []
    for t in range(2):
        policy, value = network.judge(x, p_maps[t])
        policies.append(policy)
        values.append(value)
        context_maps.append((p_maps[t] + 1) * action[t])
        logits.append(network.segment(x, context_maps[t]))
        p_maps.append(logits[-1].argmax(1))
        rewards.append(reward_of(p_maps[t], p_maps[t + 1], context_maps[t], truth, options))
    values.append(network.judge(x, p_maps[2])[1])

    returns = [None, rewards[1] + options.discount * values[2].detach()]
    returns[0] = rewards[0] + options.discount * returns[1]
    terms = []
    for t in range(2):
        log_probability = policies[t].log_softmax(1)
        entropy = -(log_probability.exp() * log_probability).sum(1)
        taken = log_probability.gather(1, action[t][:, None])[:, 0]
        advantage = returns[t] - values[t].detach()
        terms.append((-taken * advantage + (returns[t] - values[t]) ** 2 - options.entropy_weight * entropy)[valid].mean())
    actor_critic = sum(terms) / 2
    entropies = [
        functional.cross_entropy(
            functional.interpolate(z, options.label_size, mode="bilinear", align_corners=False), label, ignore_index=VOID
        )
        for z in logits
    ]
    segmentation = sum(entropies) / 3
    loss = actor_critic + segmentation
    loss.backward()

    tensors = {"x": x, "label": label.to(torch.uint8), "action": action.to(torch.uint8), "loss": loss}
    for name, parameter in network.named_parameters():
        tensors.update(split_first(name, parameter, options.features))
        for part, gradient in split_first(name, parameter.grad, options.features).items():
            tensors[f"gradient.{part}"] = gradient
    tensors["gradient.x"] = x.grad
    tensors["p_map"] = torch.stack(p_maps).to(torch.uint8)
    tensors["context_map"] = torch.stack(context_maps).to(torch.uint8)
    for name, sequence in (("logits", logits), ("policy", policies), ("value", values), ("reward", rewards)):
        tensors.update({f"{name}.{t}": tensor for t, tensor in enumerate(sequence)})
    tensors.update({"loss.actor_critic": actor_critic, "loss.segmentation": segmentation})
    with torch.no_grad():
        tensors["encoded.context"] = network.bias.encoder(context_maps[0], network.relu)
        tensors["encoded.p_map"] = network.context.encoder(p_maps[0], network.relu)
        tensors["small.map"] = small.to(torch.uint8)
        tensors["small.encoded"] = network.context.encoder(small, network.relu)

    print(f"distance to the nearest kink of a ReLU: {min(network.kinks):.1e}")
    print(f"margin of the nearest argmax: {min(map(margin, logits)):.1e}")
    changed = [int((a != b).sum()) for a, b in zip(p_maps, p_maps[1:])]
    print(f"pixels that a step changes: {changed}; rewards {[float(r.mean()) for r in rewards]}")
    golden.save(
        options.output,
        tensors,
        {
            "family": "ciss_net",
            "layout": "NCHW",
            "group_channels": options.group_channels,
            "window_height": options.window_height,
            "window_width": options.window_width,
            "right_context": options.right_context,
            "uncertain": options.uncertain,
            "discount": options.discount,
            "entropy_weight": options.entropy_weight,
            "torch": torch.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
