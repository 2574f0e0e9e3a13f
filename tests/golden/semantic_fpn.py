"""SemanticFPN in PyTorch: torchvision's ResNet (resnet.py) under the decoder of sfpnext.py without attention.

Its golden outputs, loss, gradients and running statistics; loss and tensors are those of sfpnext.py, with
encoder.<torchvision name> and without evaluation.attention. The encoder has output stride 32 and torchvision's norms.

Computed in float64 from float32 weights and inputs, rounded to float32 once. With the default seed no value that
enters a ReLU is within 4e-4 of its kink. Checked in:
  python3 semantic_fpn.py
check_full.py makes and compares full-size ones.
"""

import torch
import torchvision
from torch import nn

import golden
import resnet
import sfpnext


class SemanticFpn(nn.Module):

    def __init__(self, encoder, classes, width, pyramid_width, eps, momentum):
        super().__init__()
        self.encoder = encoder
        layers = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
        channels = [layer[-1].conv3.out_channels for layer in layers]
        self.decoder = sfpnext.Decoder(channels, classes, width, pyramid_width, None, False, eps, momentum)

    def forward(self, images, trace=None):
        return self.decoder(resnet.stages(self.encoder, images), trace)


def main():
    parser = golden.arguments(__doc__, "semantic_fpn_micro.safetensors")
    parser.add_argument("--model", default="micro", help="micro, or a name of torchvision: resnet50, resnet101, …")
    parser.add_argument("--depths", type=int, nargs=4, default=(1, 1, 1, 1), help="of micro's ResNet")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--pyramid-width", type=int, default=5)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--norm-eps", type=float, default=1e-3, help="of the decoder")
    parser.add_argument("--norm-momentum", type=float, default=0.1, help="of the decoder")
    parser.add_argument("--away-from-kinks", action="store_true", help="of ReLUs; for large networks")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--image-height", type=int, default=33)
    parser.add_argument("--image-width", type=int, default=35)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    encoder = resnet.build(options.model, 32, options.depths)
    del encoder.fc
    network = SemanticFpn(
        encoder, options.classes, options.width, options.pyramid_width, options.norm_eps, options.norm_momentum
    ).double()
    resnet.randomize(network, numbers, options.away_from_kinks)
    size = (options.batch, options.image_height, options.image_width)
    images = torch.from_numpy(numbers.normal(size[0], 3, *size[1:]))
    label = torch.from_numpy(numbers.integers(0, options.classes, *size))
    label[torch.from_numpy(numbers.uniform(*size)) < 0.15] = sfpnext.VOID
    golden.save(
        options.output,
        sfpnext.record(network, images, label),
        {
            "decoder_norm_eps": options.norm_eps,
            "decoder_norm_momentum": options.norm_momentum,
            "family": "semantic_fpn",
            "layout": "NCHW",
            "model": options.model,
            "norm_eps": encoder.bn1.eps,
            "norm_momentum": encoder.bn1.momentum,
            "output_stride": 32,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
