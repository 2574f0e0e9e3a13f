"""CiSS-Net and the loss of a rollout in PyTorch, written for speed; pytorch_step.py times them.

Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019, at the paper's widths, as experiments/ciss/objective.h
has it (one context a state, drawn). What a PyTorch programmer would do:

  * channels last; the frozen ResNet runs once a step, in evaluation mode, under no_grad
  * ReLUs in place; the one-hot map is scattered as floating-point numbers, channels last
  * the first convolution over [X, E] is two, over X and over E, whose outputs are added: that of X runs once a rollout, not T or
    T + 1 times. `concatenate` is the paper's plain form instead, one convolution over the concatenation, each time
  * the window's mean of the reward is two avg_pool2d, of which that of the valid pixels runs once a rollout

../golden/ciss_net.py is written apart from this, for float64 and small sizes.
"""

import torch
from torch import nn
from torch.nn import functional

import resnet

VOID = 255
BINS = (1, 2, 3, 6)
WIDTH, BRANCH_WIDTH, GROUP_CHANNELS, DROPOUT = 512, 128, 16, 0.1
RECEPTIVE_FIELD = 11
DISCOUNT, ENTROPY_WEIGHT, RIGHT_CONTEXT, UNCERTAIN = 0.9, 0.05, 0.4, 0.2


def group_norm(channels):
    return nn.GroupNorm(channels // GROUP_CHANNELS, channels)


def normalized(inputs, outputs, kernel):
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, group_norm(outputs), nn.ReLU(inplace=True))


class LabelEncoder(nn.Module):
    """F_e: labels [N, h, w] → [N, WIDTH, h, w]."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.branches = nn.ModuleList(normalized(values, BRANCH_WIDTH, 1) for _ in BINS)
        self.projection = nn.Conv2d(values + len(BINS) * BRANCH_WIDTH, WIDTH, 1)

    def forward(self, labels):
        device = labels.device.type
        dtype = self.projection.weight.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        one_hot = torch.zeros(*labels.shape, self.values, dtype=dtype, device=labels.device)
        one_hot = one_hot.scatter_(3, labels[..., None], 1).permute(0, 3, 1, 2)
        levels = [one_hot]
        for bins, branch in zip(BINS, self.branches, strict=True):
            level = branch(functional.adaptive_avg_pool2d(one_hot, bins)).to(dtype)
            levels.append(functional.interpolate(level, labels.shape[1:], mode="bilinear", align_corners=False))
        return self.projection(torch.cat(levels, 1))


class Trunk(nn.Module):
    """Four (3×3, GroupNorm, ReLU) over [X, F_e(labels)], and dropout."""

    def __init__(self, features, values, concatenate):
        super().__init__()
        self.encoder = LabelEncoder(values)
        if concatenate:
            self.whole = nn.Conv2d(features + WIDTH, WIDTH, 3, padding=1, bias=False)
        else:
            self.of_features = nn.Conv2d(features, WIDTH, 3, padding=1, bias=False)
            self.of_encoded = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.concatenate = concatenate
        self.norm = nn.Sequential(group_norm(WIDTH), nn.ReLU(inplace=True))
        self.rest = nn.Sequential(*(normalized(WIDTH, WIDTH, 3) for _ in range(3)), nn.Dropout(DROPOUT))

    def read(self, x):
        """What no step of a rollout changes."""
        return x if self.concatenate else self.of_features(x)

    def forward(self, read, labels):
        encoded = self.encoder(labels)
        if self.concatenate:
            first = self.whole(torch.cat([read, encoded], 1))
        else:
            first = read + self.of_encoded(encoded)
        return self.rest(self.norm(first))


class CissNet(nn.Module):
    def __init__(self, encoder, classes, concatenate):
        super().__init__()
        self.backbone = resnet.build(encoder, 8)
        del self.backbone.fc
        features = self.backbone.layer4[0].conv3.out_channels
        self.backbone.requires_grad_(False)
        self.base = nn.Sequential(
            normalized(features, WIDTH, 3), normalized(WIDTH, WIDTH, 3), nn.Dropout(DROPOUT), nn.Conv2d(WIDTH, classes, 1)
        )
        self.bias_trunk = Trunk(features, classes + 1, concatenate)
        self.bias_classifier = nn.Conv2d(WIDTH, classes, 3, padding=1)
        self.context_trunk = Trunk(features, classes, concatenate)
        self.policy = nn.Conv2d(WIDTH, 2, 3, padding=1)
        self.value = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def features(self, images):
        return resnet.stages(self.backbone, images)[3]

    def judge(self, read, p_map):
        """Logits of the policy [N, 2, h, w] and values [N, h, w], in float32."""
        hidden = self.context_trunk(read, p_map)
        return self.policy(hidden).float(), self.value(hidden)[:, 0].float()

    def rollout_loss(self, images, labels, steps, draw=lambda adopt: (torch.rand_like(adopt) < adopt).long()):
        """`draw` makes actions of the probability of 1."""
        return loss_of_features(self, self.features(images), labels, steps, draw)


def entropy_loss(logits, labels):
    resized = functional.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=False)
    return functional.cross_entropy(resized, labels, ignore_index=VOID)


def labels_at(labels, height, width):
    rows = (2 * torch.arange(height, device=labels.device) + 1) * labels.shape[1] // (2 * height)
    columns = (2 * torch.arange(width, device=labels.device) + 1) * labels.shape[2] // (2 * width)
    return labels[:, rows][:, :, columns]


def window_mean(values):
    """Times the share of the window that lies in the map, which cancels in a quotient of two."""
    pooled = functional.avg_pool2d(values[:, None], RECEPTIVE_FIELD, stride=1, padding=RECEPTIVE_FIELD // 2)
    return pooled[:, 0]


def loss_of_features(network, x, labels, steps, draw):
    base = network.base(x).float()
    bias_read, context_read = network.bias_trunk.read(x), network.context_trunk.read(x)
    truth = labels_at(labels, *x.shape[2:])
    valid = truth != VOID
    share = valid.float()
    valid_in_window = window_mean(share)

    logits, p_map = base, base.argmax(1)
    right = p_map == truth
    segmentation = entropy_loss(logits, labels)
    rewards, values, terms = [], [], []
    for _ in range(steps):
        policy, value = network.judge(context_read, p_map)
        log_policy = policy.log_softmax(1)
        with torch.no_grad():
            action = draw(log_policy[:, 1].exp())
            context_map = (p_map + 1) * action
        entropy = -(log_policy.exp() * log_policy).sum(1)
        terms.append((log_policy.gather(1, action[:, None])[:, 0], entropy))
        values.append(value)
        logits = base + network.bias_classifier(network.bias_trunk(bias_read, context_map)).float()
        segmentation = segmentation + entropy_loss(logits, labels)
        with torch.no_grad():
            p_map = logits.argmax(1)
            before, right = right, p_map == truth
            # 1 for wrong → right, −1 for right → wrong, 0 for wrong → wrong, ½ for right → right.
            worth = (right.float() - before.float() + 0.5 * (right & before).float()) * share
            reward = torch.where(valid_in_window > 0, window_mean(worth) / valid_in_window, 0.0)
            rewards.append(reward + RIGHT_CONTEXT * (context_map == truth + 1) + UNCERTAIN * (context_map == 0))

    loss = segmentation / (steps + 1)
    if steps == 0:
        return loss
    with torch.no_grad():
        target = network.judge(context_read, p_map)[1]
    actor_critic = 0.0
    for reward, value, (log_probability, entropy) in reversed(list(zip(rewards, values, terms, strict=True))):
        target = reward + DISCOUNT * target
        error = target - value
        term = -log_probability * error.detach() + error.square() - ENTROPY_WEIGHT * entropy
        actor_critic = actor_critic + (term * share).sum()
    return loss + actor_critic / (steps * share.sum())


def build(encoder, classes, concatenate):
    if encoder == "micro":
        raise ValueError("CiSS-Net is here at the paper's widths alone, not as ciss_micro")
    return CissNet(encoder, classes, concatenate)
