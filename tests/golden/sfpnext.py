"""SFPNeXt in PyTorch, on top of timm's ConvNeXt-V2, and its golden outputs, loss and gradients.

The RSS paper says no more than "SemanticFPN combined with Self-Attention", with ConvNeXt-V2 Nano. This is
the reading that the C++ model follows; CBRk stands for a k×k convolution without bias, batch norm, ReLU:

  C2 … C5   = encoder stages 0 … 3, strides 4 … 32
  top       = CBR3(C5 → W);  top += attention(top)
  attention : query, key = 1×1 convolutions to `key_width`, value to W, all with bias; softmax over the keys of
              query · key without 1/√width (an option here); no projection after it
  P5        = top;  P_i = CBR1(C_i → W) + bilinear(P_{i+1}) to the size of C_i, for C4, C3, C2
  pyramid   : levels P2 … P5 pass through 1, 1, 2, 3 CBR3 of `pyramid_width`; on the coarser three each is followed
              by a bilinear resize to the next finer level's size; the four results are summed
  fuse      = CBR1(pyramid_width);  logits = 1×1 convolution with bias, at stride 4
  loss      = cross entropy of the logits resized to the label's size, mean over pixels whose label is not 255

Bilinear is always align_corners = False. Batch norm: eps 1e-3 (iSeg's) and momentum 0.1 (running = 0.9
running + 0.1 batch, with PyTorch's unbiased batch variance in the running one) unless the options say
otherwise.

Tensors ([N, C, H, W], [O, I, KH, KW]):
  encoder.<timm name>, decoder.…   weights and running statistics before the step
  input [N, 3, H, W], label [N, H, W] uint8
  evaluation.{top,attention,pyramid2,fused,logits}
                                   with the running statistics: the top CBR3, the same plus attention, P2, after
                                   fuse, the logits at stride 4
  evaluation.loss []
  train.logits, train.loss         with the batch's statistics
  gradient.<name>                  of train.loss, for every weight
  updated.<name>                   running statistics after this one training forward

Computed in float64 from float32 weights and inputs, rounded to float32 once. With the default seed no value
that enters a ReLU is within 2e-4 of its kink, so rounding cannot flip one.
gradient.decoder.attention.key.bias is 0 but for rounding: softmax does not see a constant added to all
keys' scores of a query. Checked in:
  python3 sfpnext.py
check_full.py makes and compares full-size ones.
"""

import timm
import torch
from torch import nn
from torch.nn import functional

import convnextv2
import golden
import resnet

VOID = 255
MICRO_DEPTHS = (1, 1, 1, 1)
MICRO_DIMS = (6, 8, 10, 12)


def resize(features, size):
    return functional.interpolate(features, size=size, mode="bilinear", align_corners=False)


class ConvolutionNormRelu(nn.Module):
    """CBRk, named as mmcv's ConvModule names it."""

    def __init__(self, inputs, outputs, kernel, eps, momentum):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps, momentum=momentum)
        self.relu = nn.ReLU()

    def forward(self, features):
        return self.relu(self.bn(self.conv(features)))


class SelfAttention(nn.Module):

    def __init__(self, width, key_width, scale):
        super().__init__()
        self.query = nn.Conv2d(width, key_width, 1)
        self.key = nn.Conv2d(width, key_width, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.factor = key_width**-0.5 if scale else 1.0

    def forward(self, features):
        query, key, value = (layer(features).flatten(2) for layer in (self.query, self.key, self.value))
        scores = torch.einsum("ncq,nck->nqk", query, key) * self.factor
        return torch.einsum("nqk,nck->ncq", scores.softmax(-1), value).reshape(features.shape)


class Decoder(nn.Module):
    """Without a key_width, without attention: plain SemanticFPN."""

    def __init__(self, channels, classes, width, pyramid_width, key_width, scale, eps, momentum):
        super().__init__()

        def block(inputs, outputs, kernel):
            return ConvolutionNormRelu(inputs, outputs, kernel, eps, momentum)

        self.top = block(channels[3], width, 3)
        self.attention = SelfAttention(width, key_width, scale) if key_width else None
        self.lateral = nn.ModuleList(block(c, width, 1) for c in channels[:3])
        self.pyramid = nn.ModuleList(
            nn.ModuleList(block(width if i == 0 else pyramid_width, pyramid_width, 3) for i in range(count))
            for count in (1, 1, 2, 3)
        )
        self.fuse = block(pyramid_width, pyramid_width, 1)
        self.classifier = nn.Conv2d(pyramid_width, classes, 1)

    def forward(self, stages, trace=None):
        top = self.top(stages[3])
        levels = [top if self.attention is None else top + self.attention(top)]
        for lateral, stage in zip(reversed(self.lateral), reversed(stages[:3])):
            levels.insert(0, lateral(stage) + resize(levels[0], stage.shape[2:]))

        total = 0
        for level, blocks in enumerate(self.pyramid):
            features = levels[level]
            for i, block in enumerate(blocks):
                features = block(features)
                if level > 0:
                    features = resize(features, levels[level - 1 - i].shape[2:])
            total = total + features
        fused = self.fuse(total)
        logits = self.classifier(fused)
        if trace is not None:
            trace.update(top=top, pyramid2=levels[0], fused=fused, logits=logits)
            if self.attention is not None:
                trace["attention"] = levels[3]
        return logits


class SFPNeXt(nn.Module):

    def __init__(
        self,
        encoder,
        channels,
        classes,
        width=256,
        pyramid_width=128,
        key_width=64,
        scale=False,
        eps=1e-3,
        momentum=0.1,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(channels, classes, width, pyramid_width, key_width, scale, eps, momentum)

    def forward(self, images, trace=None):
        return self.decoder(convnextv2.stages(self.encoder, images), trace)


def loss_of(logits, label):
    return functional.cross_entropy(resize(logits, label.shape[1:]), label, ignore_index=VOID)


def randomize(network, numbers):
    convnextv2.randomize(network, numbers)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.from_numpy(numbers.normal(*buffer.shape, deviation=0.2)))
        if name.endswith("running_var"):
            buffer.copy_(torch.from_numpy(numbers.uniform(*buffer.shape, low=0.5, high=1.5)))


def record(network, images, label):
    """The tensors of a file: the network before the step, its evaluation, and the step."""
    tensors = {"input": images, "label": label.to(torch.uint8)}
    tensors.update({name: value.clone() for name, value in network.state_dict().items()})

    trace = {}
    network.eval()
    with torch.no_grad():
        network(images, trace)
        trace["loss"] = loss_of(trace["logits"], label)
    tensors.update({f"evaluation.{name}": value for name, value in trace.items()})

    kinks = resnet.watch_kinks(network)
    network.train()
    logits = network(images)
    loss = loss_of(logits, label)
    loss.backward()
    tensors.update({"train.logits": logits, "train.loss": loss})
    tensors.update({f"gradient.{name}": parameter.grad for name, parameter in network.named_parameters()})
    tensors.update({f"updated.{name}": buffer for name, buffer in network.named_buffers()})
    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    return tensors


def main():
    parser = golden.arguments(__doc__, "sfpnext_micro.safetensors")
    parser.add_argument(
        "--model", default="micro", help="micro, or a name of timm: convnextv2_atto … convnextv2_tiny"
    )
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--pyramid-width", type=int, default=8)
    parser.add_argument("--key-width", type=int, default=4)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--scale-attention", action="store_true", help="divide the scores by √key-width")
    parser.add_argument("--norm-eps", type=float, default=1e-3)
    parser.add_argument("--norm-momentum", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--image-height", type=int, default=68)
    parser.add_argument("--image-width", type=int, default=44)
    parser.add_argument("--seed", type=int, default=33)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    encoder = convnextv2.build(options.model, MICRO_DEPTHS, MICRO_DIMS)
    channels = [info["num_chs"] for info in encoder.feature_info]
    network = SFPNeXt(
        encoder,
        channels,
        options.classes,
        options.width,
        options.pyramid_width,
        options.key_width,
        options.scale_attention,
        options.norm_eps,
        options.norm_momentum,
    ).double()
    randomize(network, numbers)
    size = (options.batch, options.image_height, options.image_width)
    images = torch.from_numpy(numbers.normal(size[0], 3, *size[1:]))
    label = torch.from_numpy(numbers.integers(0, options.classes, *size))
    label[torch.from_numpy(numbers.uniform(*size)) < 0.15] = VOID

    golden.save(
        options.output,
        record(network, images, label),
        {
            "layout": "NCHW",
            "model": options.model,
            "norm_eps": options.norm_eps,
            "norm_momentum": options.norm_momentum,
            "scale_attention": options.scale_attention,
            "timm": timm.__version__,
            "torch": torch.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
