"""torchvision's ResNet without its classifier, and its golden stages, loss, gradients and running statistics.

By name (resnet50, resnet101, …) or "micro": torchvision's class with other widths. Strides become dilations as in
torchvision (replace_stride_with_dilation) for an output stride of 16 or 8.

  loss    = Σ over the four stages of mean(stage · direction), with the batch's statistics; a square would give batch norms
            little but what they take out of a gradient

Options that torchvision does not have, put into its modules: --deep-stem replaces conv1 and bn1 by mmseg's three 3×3
convolutions (stem.0, .1, .3, .4, .6, .7); --multi-grid multiplies the dilations of layer4's blocks, which all begin from the
stage's (not the previous stage's) dilation.

Tensors ([N, C, H, W], [O, I, KH, KW]):
  <torchvision name>           weights and running statistics before the step
  input [N, 3, H, W], direction.stage0 … stage3
  evaluation.stage0 … stage3   outputs of layer1 … layer4, with the running statistics
  train.stage0 … stage3, train.loss   with the batch's statistics
  gradient.<name>, gradient.input     of train.loss
  updated.<name>                      running statistics after this one training forward

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in (torchvision's own
stem is in deeplabv3.py's files):
  python3 resnet.py --deep-stem --multi-grid 1 2
"""

import torch
import torchvision
from torch import nn
from torchvision.models import resnet as torchvision_resnet

import golden

MICRO_DEPTHS = (1, 1, 2, 2)
MICRO_STEM = 4
MICRO_WIDTHS = {64: 2, 128: 2, 256: 2, 512: 3}


class MicroResNet(torchvision_resnet.ResNet):
    """torchvision's ResNet of other widths."""

    def __init__(self, depths, replace_stride_with_dilation):
        super().__init__(
            torchvision_resnet.Bottleneck,
            depths,
            num_classes=1,
            replace_stride_with_dilation=replace_stride_with_dilation,
        )
        self.conv1 = nn.Conv2d(3, MICRO_STEM, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(MICRO_STEM)

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        if planes == 64:
            self.inplanes = MICRO_STEM
        return super()._make_layer(block, MICRO_WIDTHS[planes], blocks, stride, dilate)


def build(model, output_stride, depths=MICRO_DEPTHS):
    dilate = {32: [False, False, False], 16: [False, False, True], 8: [False, True, True]}[output_stride]
    if model == "micro":
        network = MicroResNet(depths, dilate)
    else:
        network = getattr(torchvision.models, model)(weights=None, replace_stride_with_dilation=dilate)
    return network


def use_deep_stem(network):
    width = network.conv1.out_channels
    layers = []
    for inputs, outputs, stride in ((3, width // 2, 2), (width // 2, width // 2, 1), (width // 2, width, 1)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    del network.conv1, network.bn1
    network.stem = nn.Sequential(*layers)


def use_multi_grid(network, factors):
    dilation = network.dilation
    for block, factor in zip(network.layer4, factors, strict=True):
        block.conv2.dilation = block.conv2.padding = (dilation * factor, dilation * factor)


def stages(network, images):
    features = network.stem(images) if hasattr(network, "stem") else network.relu(network.bn1(network.conv1(images)))
    features = network.maxpool(features)
    outputs = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        features = layer(features)
        outputs.append(features)
    return outputs


def randomize(network, numbers, away_from_kinks=False):
    """Weights that keep activations near 1, norms that are no identities, and statistics that are not the batch's.

    Away from kinks, each norm gives ±1 and a tenth of its normalised input, +1 in the sums that begin a stage, and a little about 0
    in later ones: with the batch's statistics no value comes near a ReLU's kink, and none is flipped by rounding. Among millions of
    values some always are.
    """
    for name, tensor in network.state_dict().items():
        shape = tensor.shape
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_mean"):
            values = numbers.normal(*shape, deviation=0.2)
        elif name.endswith("running_var"):
            values = numbers.uniform(*shape, low=0.5, high=1.5)
        elif tensor.ndim > 1:
            values = numbers.normal(*shape, deviation=(1.5 / tensor[0].numel()) ** 0.5)
        elif away_from_kinks and ".bn3." in name and ".0.bn3." not in name:
            values = numbers.uniform(*shape, low=0.01 if name.endswith("weight") else -0.02, high=0.02)
        elif away_from_kinks and name.endswith("weight"):
            values = numbers.uniform(*shape, low=0.05, high=0.15)
        elif away_from_kinks and (".bn3." in name or ".downsample." in name):
            values = numbers.uniform(*shape, low=0.9, high=1.1)
        elif away_from_kinks:
            values = numbers.uniform(*shape, low=0.9, high=1.1) * (2 * numbers.integers(0, 2, *shape) - 1)
        elif name.endswith("weight"):
            values = numbers.normal(*shape, mean=1.0, deviation=0.2)
        else:
            values = numbers.normal(*shape, deviation=0.1)
        tensor.copy_(torch.from_numpy(values))


def watch_kinks(network):
    """A list that grows by the smallest |x| of every ReLU that runs: rounding may flip those near 0."""
    distances = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, inputs: distances.append(float(inputs[0].detach().abs().min())))
    return distances


def main():
    parser = golden.arguments(__doc__, "resnet_micro.safetensors")
    parser.add_argument("--model", default="micro", help="micro, or a name of torchvision: resnet50, resnet101, …")
    parser.add_argument("--output-stride", type=int, default=8, choices=(8, 16, 32))
    parser.add_argument("--deep-stem", action="store_true")
    parser.add_argument("--multi-grid", type=int, nargs="+")
    parser.add_argument("--away-from-kinks", action="store_true", help="of ReLUs; for large networks")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--image-height", type=int, default=21)
    parser.add_argument("--image-width", type=int, default=19)
    parser.add_argument("--seed", type=int, default=21)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    network = build(options.model, options.output_stride)
    del network.fc
    if options.deep_stem:
        use_deep_stem(network)
    if options.multi_grid:
        use_multi_grid(network, options.multi_grid)
    network = network.double()
    randomize(network, numbers, options.away_from_kinks)
    images = torch.from_numpy(numbers.normal(options.batch, 3, options.image_height, options.image_width))
    images.requires_grad_()
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    tensors["input"] = images

    network.eval()
    with torch.no_grad():
        evaluated = stages(network, images)
    directions = [torch.from_numpy(numbers.normal(*stage.shape)) for stage in evaluated]
    tensors.update({f"evaluation.stage{s}": stage for s, stage in enumerate(evaluated)})
    tensors.update({f"direction.stage{s}": direction for s, direction in enumerate(directions)})

    kinks = watch_kinks(network)
    network.train()
    outputs = stages(network, images)
    loss = sum((output * direction).mean() for output, direction in zip(outputs, directions))
    loss.backward()
    tensors.update({f"train.stage{s}": stage for s, stage in enumerate(outputs)})
    tensors.update({"train.loss": loss, "gradient.input": images.grad})
    tensors.update({f"gradient.{name}": parameter.grad for name, parameter in network.named_parameters()})
    tensors.update({f"updated.{name}": buffer for name, buffer in network.named_buffers()})
    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    golden.save(
        options.output,
        tensors,
        {
            "family": "resnet",
            "layout": "NCHW",
            "model": options.model,
            "multi_grid": " ".join(map(str, options.multi_grid or [])),
            "norm_eps": network.layer1[0].bn1.eps,
            "norm_momentum": network.layer1[0].bn1.momentum,
            "output_stride": options.output_stride,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
