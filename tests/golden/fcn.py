"""SSSegmentation's FCN on ResNets, and its golden outputs, loss, gradients and running statistics.

On torchvision's ResNet with mmseg's deep stem, at output stride 8 (torchvision's replace_stride_with_dilation), with C4, C5 its last two
stages and CBR3 a 3×3 convolution without bias, batch normalisation, ReLU:

  logits    = 1×1 convolution with bias of dropout(CBR3(CBR3(C5))), at the size of C5; nothing is concatenated
  auxiliary = the same convolution of dropout(CBR3(C4))

  loss = cross entropy of the logits + 0.5 · cross entropy of the auxiliary ones, as in deeplabv3.py

Tensors: as in deeplabv3.py, with
  classifier.{0,1} (convolution and norm of the first CBR3), classifier.convs.1.{conv,bn} (of the second), classifier.4
  evaluation.{stage0 … stage3,logits,auxiliary}  with the running statistics: C2 … C5, both logits

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 fcn.py
"""

from torch import nn

import deeplabv3
import golden
import resnet


class FcnHead(nn.Module):

    def __init__(self, inputs, width, classes, convolutions):
        super().__init__()
        self.add_module("0", nn.Conv2d(inputs, width, 3, padding=1, bias=False))
        self.add_module("1", nn.BatchNorm2d(width))
        later = {}
        for i in range(1, convolutions):
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            later[str(i)] = nn.ModuleDict({"conv": convolution, "bn": nn.BatchNorm2d(width)})
        self.convs = nn.ModuleDict(later)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout2d(0.1)
        self.add_module("4", nn.Conv2d(width, classes, 1))

    def forward(self, features):
        part = self.get_submodule
        features = self.relu(part("1")(part("0")(features)))
        for layer in self.convs.values():
            features = self.relu(layer["bn"](layer["conv"](features)))
        return part("4")(self.dropout(features))


class Fcn(nn.Module):

    def __init__(self, backbone, width, auxiliary_width, classes):
        super().__init__()
        self.backbone = backbone
        channels = [layer[0].conv3.out_channels for layer in (backbone.layer3, backbone.layer4)]
        self.classifier = FcnHead(channels[1], width, classes, convolutions=2)
        self.aux_classifier = FcnHead(channels[0], auxiliary_width, classes, convolutions=1)

    def forward(self, images):
        stages = resnet.stages(self.backbone, images)
        outputs = {f"stage{s}": stage for s, stage in enumerate(stages)}
        outputs["logits"] = self.classifier(stages[3])
        outputs["auxiliary"] = self.aux_classifier(stages[2])
        return outputs


def build(encoder, classes, depths=(1, 1, 1, 1)):
    """On "micro", or a ResNet of torchvision's by name; the stem is deep in any case."""
    backbone = resnet.build(encoder, 8, depths)
    del backbone.fc
    resnet.use_deep_stem(backbone)
    width, auxiliary_width = (3, 2) if encoder == "micro" else (512, 512)
    return Fcn(backbone, width, auxiliary_width, classes)


def forward(network, images):
    return network(images)


def main():
    parser = golden.arguments(__doc__, "fcn_sss_micro.safetensors")
    parser.add_argument("--model", default="micro", help="micro, or a name of torchvision: resnet50, resnet101, …")
    deeplabv3.add_arguments(parser)
    parser.set_defaults(seed=39)
    options = parser.parse_args()

    network = build(options.model, options.classes)
    print(f"{sum(parameter.numel() for parameter in network.parameters())} parameters")
    norm = network.backbone.layer1[0].bn1
    deeplabv3.save(options, network, forward, {"norm_eps": norm.eps, "norm_momentum": norm.momentum})


if __name__ == "__main__":
    main()
