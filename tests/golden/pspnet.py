"""PSPNet in PyTorch on torchvision's ResNet, and its golden outputs, loss, gradients and running statistics.

Zhao et al., CVPR 2017, in the form of mmseg, or with --semseg of the authors' package. CBRk stands for a k×k convolution without
bias, batch norm, ReLU:

  C2 … C5 = the ResNet's stages at output stride 8
  bin b   : adaptive average pool of C5 to b × b → CBR1 → bilinear resize to the size of C5, for b = 1, 2, 3, 6
  logits  = 1×1 convolution with bias of dropout(CBR3([C5, bins 1, 2, 3, 6])), before they are resized to the image
  auxiliary = the same convolution of dropout(CBR3(C4))

                     mmseg                                 semseg
  resize of bins     align_corners False                   True
  dilations          first block of a stage: the           the stage's in all blocks
                     previous stage's
  stem               torchvision's, or three 3×3 (v1c)     three 3×3, 64 64 128

  loss = as in deeplabv3.py

Tensors ([N, C, H, W], [O, I, KH, KW]):
  backbone.…, classifier.…, aux_classifier.…   weights and running statistics before the step; the main head's CBR3 and classifier
                                               are 0, 1 and 4 as in FCN, its bins psp_modules.{0 … 3}.1.{conv,bn} as in mmseg
  input [N, 3, H, W], label [N, H, W] uint8
  evaluation.{stage0 … stage3,logits,auxiliary}  with the running statistics: C2 … C5, both logits
  evaluation.loss []
  train.{logits,auxiliary,loss}                with the batch's statistics
  gradient.<name>                              of train.loss
  updated.<name>                               running statistics after this one training forward

Computed in float64 from float32 weights and inputs, rounded to float32 once. In the first file the map of 8×3 has more rows than
there are bins and fewer columns. Checked in:
  python3 pspnet.py
  python3 pspnet.py --semseg --image-height 25 --image-width 41 --seed 18 --output pspnet_semseg_micro.safetensors
"""

from torch import cat, nn
from torch.nn import functional

import deeplabv3
import golden
import resnet

BINS = (1, 2, 3, 6)


class ConvolutionNormRelu(nn.Module):

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, features):
        return self.relu(self.bn(self.conv(features)))


def fcn_layers(inputs, width, classes):
    """CBR3, dropout, classifier: places 0, 1 and 4 have weights."""
    return [
        nn.Conv2d(inputs, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout2d(0.1),
        nn.Conv2d(width, classes, 1),
    ]


class PyramidPooling(nn.Sequential):

    def __init__(self, inputs, width, classes, align_corners):
        super().__init__(*fcn_layers(inputs + len(BINS) * width, width, classes))
        self.align_corners = align_corners
        # Behind the layers of the sequence, which forward() runs by number.
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(b), ConvolutionNormRelu(inputs, width)) for b in BINS
        )

    def forward(self, features):
        size = features.shape[2:]
        parts = [features]
        for module in self.psp_modules:
            parts.append(functional.interpolate(module(features), size, mode="bilinear", align_corners=self.align_corners))
        features = cat(parts, 1)
        for place in range(5):
            features = self[place](features)
        return features


class PspNet(nn.Module):

    def __init__(self, backbone, width, auxiliary_width, classes, align_corners):
        super().__init__()
        self.backbone = backbone
        channels = [layer[0].conv3.out_channels for layer in (backbone.layer3, backbone.layer4)]
        self.classifier = PyramidPooling(channels[1], width, classes, align_corners)
        self.aux_classifier = nn.Sequential(*fcn_layers(channels[0], auxiliary_width, classes))

    def forward(self, images):
        stages = resnet.stages(self.backbone, images)
        outputs = {f"stage{s}": stage for s, stage in enumerate(stages)}
        outputs["logits"] = self.classifier(stages[3])
        outputs["auxiliary"] = self.aux_classifier(stages[2])
        return outputs


def use_semseg_encoder(network, width):
    """semseg's dilations, and a stem of that width before a first block that reads it."""
    network.conv1 = nn.Conv2d(3, width, 1)  # tells use_deep_stem the width
    resnet.use_deep_stem(network)
    first = network.layer1[0]
    first.conv1 = nn.Conv2d(width, first.conv1.out_channels, 1, bias=False)
    first.downsample[0] = nn.Conv2d(width, first.conv3.out_channels, 1, bias=False)
    for layer, dilation in ((network.layer3, 2), (network.layer4, 4)):
        for block in layer:
            block.conv2.dilation = block.conv2.padding = (dilation, dilation)


def build(encoder, classes, depths=(1, 1, 1, 2), width=None, auxiliary_width=None, semseg=False):
    """On "micro", or a ResNet of torchvision's by name, with _v1c or _semseg behind it for a deep stem."""
    name = encoder.removesuffix("_v1c").removesuffix("_semseg")
    backbone = resnet.build(name, 8, depths)
    del backbone.fc
    semseg = semseg or encoder.endswith("_semseg")
    if semseg:
        use_semseg_encoder(backbone, 6 if name == "micro" else 128)
    elif encoder.endswith("_v1c"):
        resnet.use_deep_stem(backbone)
    micro = name == "micro"
    return PspNet(backbone, width or (3 if micro else 512), auxiliary_width or (2 if micro else 256), classes, semseg)


def forward(network, images):
    return network(images)


def main():
    parser = golden.arguments(__doc__, "pspnet_micro.safetensors")
    parser.add_argument("--model", default="micro", help="micro, or resnet50, resnet50_v1c, resnet50_semseg, …")
    parser.add_argument("--semseg", action="store_true", help="micro in semseg's form")
    parser.add_argument("--depths", type=int, nargs=4, default=(1, 1, 1, 2), help="of micro's ResNet")
    deeplabv3.add_arguments(parser)
    parser.set_defaults(image_height=57, seed=12)
    options = parser.parse_args()

    network = build(options.model, options.classes, options.depths, semseg=options.semseg)
    print(f"{sum(parameter.numel() for parameter in network.parameters())} parameters")
    norm = network.backbone.layer1[0].bn1
    metadata = {
        "align_corners": network.classifier.align_corners,
        "contract_dilation": not network.classifier.align_corners,
        "norm_eps": norm.eps,
        "norm_momentum": norm.momentum,
    }
    deeplabv3.save(options, network, forward, metadata)


if __name__ == "__main__":
    main()
