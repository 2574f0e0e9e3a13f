"""A latent policy around a network, with its rewards and losses, in PyTorch, written for speed; pytorch_step.py times them.

"Latent-space reinforcement learning for semantic segmentation", as experiments/latent/objective.h has it (one draw a position,
attention, a moving average as baseline). What a PyTorch programmer would do:

  * channels last; scaled_dot_product_attention; the cross entropy on resized logits; the reference's forward pass and all
    rewards under no_grad; its parameters follow by one fused lerp
  * IoU and Dice from one bincount of (image, label, prediction); boundary F by dilation with max_pool2d of one-hot boundaries,
    in a square instead of a disc, which is less work

../golden/latent.py is written apart from this, for float64 and small sizes.
"""

import copy

import torch
from torch import nn
from torch.nn import functional

import resnet

VOID = 255
WIDTH, BLOCKS, BINS, HEADS, MAP_SCALE = 256, 4, 4, 8, 0.1
CLIP, BASELINE_DECAY, REFERENCE_DECAY, TOLERANCE, LARGEST_LOG_RATIO = 0.2, 0.9, 0.99, 0.0075, 20.0


def block(inputs, outputs, kernel):
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Policy(nn.Module):
    def __init__(self, channels):
        super().__init__()
        widths = [channels] + [min(WIDTH, channels)] * (BLOCKS - 1) + [channels]
        self.blocks = nn.Sequential(*(block(a, b, 3) for a, b in zip(widths, widths[1:])))
        bound = MAP_SCALE / BINS
        self.weight = nn.Parameter(torch.empty(2, BINS * BINS, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(2, channels).uniform_(-bound, bound))

    def forward(self, z):
        descriptor = functional.adaptive_avg_pool2d(self.blocks(z), BINS).flatten(2).float()
        mean, spread = torch.einsum("ndp,mpd->mnd", descriptor, self.weight) + self.bias[:, None]
        return mean, 4 * torch.tanh(spread)


class Modulation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.projection = block(channels, channels, 1)
        self.query, self.key, self.value, self.output = (nn.Linear(channels, channels) for _ in range(4))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, z, s):
        def tokens(x):
            return x.flatten(2).transpose(1, 2)

        def heads(x):
            return x.unflatten(2, (HEADS, -1)).transpose(1, 2)

        own = tokens(z)
        attended = functional.scaled_dot_product_attention(
            heads(self.query(tokens(z - self.projection(s)))), heads(self.key(own)), heads(self.value(own))
        )
        attended = self.output(attended.transpose(1, 2).flatten(2)).transpose(1, 2).unflatten(2, z.shape[2:])
        return torch.cat([z, self.scale * attended], 1)


def log_probability(mean, spread, s):
    mean, spread = mean[:, :, None, None], spread[:, :, None, None]
    return (-0.5 * ((s - mean) * torch.exp(-spread)) ** 2 - spread).mean((1, 2, 3))


def boundaries(maps, classes, valid):
    """[N, K, H, W]: the boundary pixels of each class."""
    inner = torch.zeros_like(maps, dtype=torch.bool)
    for axis in (1, 2):
        low, high = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        differs = (maps[low] != maps[high]) & valid[low] & valid[high]
        inner[low] |= differs
        inner[high] |= differs
    one_hot = functional.one_hot(maps.clamp(max=classes - 1), classes).permute(0, 3, 1, 2)
    return (one_hot * (inner & valid)[:, None]).float()


@torch.no_grad()
def rewards(resized, labels, entropies):
    """IoU + Dice + exp(−CE) + boundary F, [N]."""
    count, classes = resized.shape[:2]
    maps, valid = resized.argmax(1), labels != VOID
    image = torch.arange(count, device=labels.device)[:, None, None].expand_as(labels)
    index = ((image * classes + labels) * classes + maps)[valid]
    confusion = torch.bincount(index, minlength=count * classes * classes).view(count, classes, classes).float()
    right = confusion.diagonal(dim1=1, dim2=2)
    truth, said = confusion.sum(2), confusion.sum(1)
    present = (truth > 0).float()
    classes_of = present.sum(1).clamp(min=1)
    iou = (right / (truth + said - right).clamp(min=1) * present).sum(1) / classes_of
    dice = (2 * right / (truth + said).clamp(min=1) * present).sum(1) / classes_of
    reach = int(TOLERANCE * (labels.shape[1] ** 2 + labels.shape[2] ** 2) ** 0.5)
    of_truth, of_map = boundaries(labels, classes, valid), boundaries(maps, classes, valid)

    def near(x):
        return functional.max_pool2d(x, 2 * reach + 1, 1, reach) if reach else x

    precision = (of_map * near(of_truth)).sum((2, 3)) / of_map.sum((2, 3)).clamp(min=1)
    recall = (of_truth * near(of_map)).sum((2, 3)) / of_truth.sum((2, 3)).clamp(min=1)
    f = 2 * precision * recall / (precision + recall).clamp(min=1e-7)
    there = ((of_truth.sum((2, 3)) + of_map.sum((2, 3))) > 0).float()
    boundary = (f * there).sum(1) / there.sum(1).clamp(min=1)
    return iou + dice + torch.exp(-entropies) + boundary


class FcnHalves(nn.Module):
    """SSSegmentation's FCN with so many more channels in front of its head."""

    def __init__(self, encoder, classes, with_policy):
        super().__init__()
        import fcn

        self.network = fcn.build(encoder, classes)
        self.channels = self.network.backbone.layer4[0].conv3.out_channels
        if with_policy:
            self.network.classifier = fcn.FcnHead(2 * self.channels, 512, classes, convolutions=2)

    def encode(self, images):
        return resnet.stages(self.network.backbone, images)

    def decode(self, taps):
        return self.network.classifier(taps[3])

    def auxiliary(self, taps):
        return self.network.aux_classifier(taps[2])

    def forward(self, images):
        taps = self.encode(images)
        return {"logits": self.decode(taps), "auxiliary": self.auxiliary(taps)}


class SegFormerHalves(nn.Module):
    """mmseg's SegFormer with so many more channels in front of its deepest level."""

    def __init__(self, size, classes, with_policy):
        super().__init__()
        import segformer

        self.network = segformer.build("mmseg", size, classes)
        self.channels = segformer.SIZES[size][0][3]
        if with_policy:
            self.network.decode_head.convs[3] = segformer.ConvolutionNormRelu(2 * self.channels, 256)
        self.over_channels = segformer.over_channels

    def encode(self, images):
        taps, x = [], images
        for embed, blocks, norm in self.network.backbone.layers:
            x = embed(x)
            for one in blocks:
                x = one(x)
            x = self.over_channels(norm, x)
            taps.append(x)
        return taps

    def decode(self, taps):
        head, size = self.network.decode_head, taps[0].shape[2:]
        levels = [
            functional.interpolate(conv(tap), size, mode="bilinear", align_corners=False)
            for conv, tap in zip(head.convs, taps, strict=True)
        ]
        return head.conv_seg(head.fusion_conv(torch.cat(levels, 1)))


def build(name, classes, auxiliary_weight):
    """latent_fcn_resnet50_sss, latent_segformer_mit_b1_mmseg."""
    if name.startswith("fcn_"):
        base = FcnHalves(name.removeprefix("fcn_").removesuffix("_sss"), classes, True)
    else:
        base = SegFormerHalves(name.removeprefix("segformer_").removesuffix("_mmseg"), classes, True)
    return LatentNetwork(base, auxiliary_weight)


class LatentNetwork(nn.Module):
    """Around halves: `encode(images)` → taps, of which z is the last; `decode(taps)` and `auxiliary(taps)` → logits."""

    def __init__(self, base, auxiliary_weight):
        super().__init__()
        self.base = base
        self.policy, self.modulation = Policy(base.channels), Modulation(base.channels)
        self.reference = copy.deepcopy(self.policy).requires_grad_(False)
        self.auxiliary_weight = auxiliary_weight
        self.register_buffer("baseline", torch.zeros(()))

    def step_loss(self, images, labels):
        taps = self.base.encode(images)
        z = taps[-1]
        constant = z.detach()
        mean, spread = self.policy(constant)
        s = mean[:, :, None, None] + spread.exp()[:, :, None, None] * torch.randn(z.shape, device=z.device).contiguous(
            memory_format=torch.channels_last
        )
        logits = self.base.decode([*taps[:-1], self.modulation(z, s.to(z.dtype))])
        resized = functional.interpolate(logits.float(), labels.shape[1:], mode="bilinear", align_corners=False)
        each = functional.cross_entropy(resized, labels, ignore_index=VOID, reduction="none")
        valid = (labels != VOID).sum((1, 2))
        loss = each.sum() / valid.sum()
        if self.auxiliary_weight:
            auxiliary = functional.interpolate(
                self.base.auxiliary(taps).float(), labels.shape[1:], mode="bilinear", align_corners=False
            )
            loss = loss + self.auxiliary_weight * functional.cross_entropy(auxiliary, labels, ignore_index=VOID)
        with torch.no_grad():
            reward = rewards(resized, labels, each.sum((1, 2)) / valid)
            self.baseline.lerp_(reward.mean(), 1 - BASELINE_DECAY)
            advantage = (reward - self.baseline).clamp(-1, 1)
            old_mean, old_spread = self.reference(constant)
        drawn = s.detach()
        log_ratio = log_probability(mean, spread, drawn) - log_probability(old_mean, old_spread, drawn)
        ratio = log_ratio.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
        surrogate = -torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
        divergence = spread - old_spread + ((2 * old_spread).exp() + (old_mean - mean) ** 2) / (2 * (2 * spread).exp()) - 0.5
        return loss + surrogate + divergence.mean()

    @torch.no_grad()
    def follow(self):
        """After the optimizer's step."""
        own, old = list(self.policy.parameters()), list(self.reference.parameters())
        torch._foreach_lerp_(old, own, 1 - REFERENCE_DECAY)
