"""The latent policy and its four modulations in plain PyTorch, their outputs, losses and gradients.

Written from the paper ("Latent-space reinforcement learning for semantic segmentation", equations 3 to 5, 7 to 14 and 20 to 22);
z is given, what decodes is a weighted sum. Batch norms are in training, with one rank.

  policy         L × (3×3 without bias, BN, ReLU), adaptive average over P_h × P_w bins, flattened row by row; for each channel
                 a linear map of its bins' means: μ; another: log σ = 4·tanh
  draw           s = μ + σ·noise, of every position
  modulation     attention: s′ = ReLU(BN(1×1(s))), z_mod = MHA(z − s′, z, z); addition z + s; multiplication z·(1 + tanh s);
                 concatenation [z, s]; decoded = [z, α·z_mod]
  L_seg          Σ over the four of the mean of decoded·weight, differentiated through s
  L_P            −mean over images of min(ρ·A, clip(ρ, 0.8, 1.2)·A), ρ = exp(mean over s's numbers of log π(s) − log π_old(s)), s constant
  L_KL           mean over images and channels of KL(π_old ‖ π)
  loss           L_seg + λ_P·L_P + λ_KL·L_KL

Tensors ([N, C, H, W], [O, I, KH, KW]):
  latent_policy.…, attention.…, addition.…, multiplication.…, concatenation.…   weights (mean.weight [P_h·P_w, d])
  z, noise [N, d, h, w]; weight.<modulation> [N, d + extra, h, w]; old.{mean,log_deviation} [N, d]; advantage [N]
  mean, log_deviation [N, d]; ratio [N]; decoded.<modulation>
  loss.{segmentation,policy,divergence}, loss; gradient.<name>, gradient.z

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 latent.py
"""

import torch
from torch import nn
from torch.nn import functional

import golden

KINDS = ("attention", "addition", "multiplication", "concatenation")
CLIP = 0.2


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x, relu):
        return relu(self.bn(self.conv(x)))


class ChannelMaps(nn.Module):
    def __init__(self, bins, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(bins, channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, descriptor):  # [N, bins, d]
        return torch.einsum("npd,pd->nd", descriptor, self.weight) + self.bias


class Policy(nn.Module):
    def __init__(self, options):
        super().__init__()
        widths = [options.channels] + [options.width] * (options.blocks - 1) + [options.channels]
        self.blocks = nn.ModuleList(Block(a, b, 3) for a, b in zip(widths, widths[1:]))
        self.bins = tuple(options.bins)
        bins = self.bins[0] * self.bins[1]
        self.mean, self.log_deviation = ChannelMaps(bins, options.channels), ChannelMaps(bins, options.channels)

    def forward(self, z, relu):
        for block in self.blocks:
            z = block(z, relu)
        descriptor = functional.adaptive_avg_pool2d(z, self.bins).flatten(2).transpose(1, 2)
        return self.mean(descriptor), 4 * torch.tanh(self.log_deviation(descriptor))


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "proj"):
            setattr(self, name, nn.Linear(channels, channels))

    def forward(self, queries, tokens):
        def split(x):
            return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.q_proj(queries)), split(self.k_proj(tokens)), split(self.v_proj(tokens))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Modulation(nn.Module):
    def __init__(self, kind, options):
        super().__init__()
        self.kind = kind
        self.scale = nn.Parameter(torch.ones(1))
        if kind == "attention":
            self.projection = Block(options.channels, options.channels, 1)
            self.attention = Attention(options.channels, options.heads)

    def forward(self, z, s, relu):
        if self.kind == "attention":
            tokens = z.flatten(2).transpose(1, 2)
            queries = (z - self.projection(s, relu)).flatten(2).transpose(1, 2)
            modulated = self.attention(queries, tokens).transpose(1, 2).unflatten(2, z.shape[2:])
        elif self.kind == "addition":
            modulated = z + s
        elif self.kind == "multiplication":
            modulated = z * (1 + torch.tanh(s))
        else:
            modulated = torch.cat([z, s], 1)
        return torch.cat([z, self.scale * modulated], 1)


class Latent(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.latent_policy = Policy(options)
        for kind in KINDS:
            setattr(self, kind, Modulation(kind, options))


def randomize(network, numbers):
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1 and "mean" not in name and "log_deviation" not in name:
            values = numbers.normal(*parameter.shape, deviation=(1.5 / parameter[0].numel()) ** 0.5)
        elif name.endswith("bn.weight") or name.endswith("scale"):
            values = numbers.normal(*parameter.shape, mean=1.0, deviation=0.2)
        else:
            values = numbers.normal(*parameter.shape, deviation=0.1)
        parameter.data.copy_(torch.from_numpy(values))


def main():
    parser = golden.arguments(__doc__, "latent_micro.safetensors")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--width", type=int, default=6)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--bins", type=int, nargs=2, default=(2, 3))
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(5, 7))
    parser.add_argument("--policy-weight", type=float, default=0.7)
    parser.add_argument("--divergence-weight", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=53)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    network = Latent(options).double()
    randomize(network, numbers)
    shape = (options.batch, options.channels, *options.size)
    z = torch.from_numpy(numbers.normal(*shape)).requires_grad_()
    noise = torch.from_numpy(numbers.normal(*shape))
    advantage = torch.tensor([0.5, -0.25, 0.75, -1.0][: options.batch], dtype=torch.float64)
    kinks = []

    def relu(x):
        kinks.append(float(x.detach().abs().min()))
        return torch.relu(x)

    mean, log_deviation = network.latent_policy(z, relu)
    # Some images' policies are near the reference, others beyond the ratio's bounds.
    shift = numbers.normal(options.batch, options.channels) * 0.1
    spread = numbers.normal(options.batch, options.channels) * 0.05
    spread[options.batch // 2 :] += 0.7
    old_mean = (mean.detach() + torch.from_numpy(shift)).float().double()
    old_log_deviation = (log_deviation.detach() + torch.from_numpy(spread)).float().double()

    def normal(m, l):
        return torch.distributions.Normal(m[:, :, None, None], l.exp()[:, :, None, None])

    s = mean[:, :, None, None] + log_deviation.exp()[:, :, None, None] * noise
    decoded = {kind: getattr(network, kind)(z, s, relu) for kind in KINDS}
    weights = {kind: torch.from_numpy(numbers.normal(*decoded[kind].shape)) for kind in KINDS}
    segmentation = sum((decoded[kind] * weights[kind]).mean() for kind in KINDS)

    constant = s.detach()
    log_ratio = (normal(mean, log_deviation).log_prob(constant) - normal(old_mean, old_log_deviation).log_prob(constant)).mean((1, 2, 3))
    ratio = log_ratio.exp()
    policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
    divergence = torch.distributions.kl_divergence(normal(old_mean, old_log_deviation), normal(mean, log_deviation)).mean()
    loss = segmentation + options.policy_weight * policy + options.divergence_weight * divergence
    loss.backward()

    tensors = {"z": z, "noise": noise, "advantage": advantage, "old.mean": old_mean, "old.log_deviation": old_log_deviation}
    tensors.update({"mean": mean, "log_deviation": log_deviation, "ratio": ratio, "loss": loss, "gradient.z": z.grad})
    tensors.update({"loss.segmentation": segmentation, "loss.policy": policy, "loss.divergence": divergence})
    for kind in KINDS:
        tensors[f"weight.{kind}"], tensors[f"decoded.{kind}"] = weights[kind], decoded[kind]
    for name, parameter in network.named_parameters():
        tensors[name], tensors[f"gradient.{name}"] = parameter, parameter.grad

    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    print(f"ratios {[round(r, 3) for r in ratio.tolist()]} with advantages {advantage.tolist()}")
    golden.save(
        options.output,
        tensors,
        {
            "family": "latent",
            "layout": "NCHW",
            "heads": options.heads,
            "pool_height": options.bins[0],
            "pool_width": options.bins[1],
            "clip": CLIP,
            "policy_weight": options.policy_weight,
            "divergence_weight": options.divergence_weight,
            "torch": torch.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
