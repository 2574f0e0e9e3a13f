"""torchvision's DeepLabV3 and FCN on ResNets, and their golden outputs, loss, gradients and running statistics.

By name (deeplabv3_resnet50, fcn_resnet101, …) or "micro": torchvision's ASPP, FCNHead and ResNet of other widths, put
together as torchvision does. All with the auxiliary classifier. Logits are taken before they are resized to the image.

  loss = cross entropy of the logits + 0.5 · cross entropy of the auxiliary ones, each resized to the label's size
         (bilinear, align_corners False) and averaged over pixels whose label is not 255; without dropout

Tensors ([N, C, H, W], [O, I, KH, KW]):
  backbone.…, classifier.…, aux_classifier.…   weights and running statistics before the step
  input [N, 3, H, W], label [N, H, W] uint8
  evaluation.{stage2,stage3,logits,auxiliary}  with the running statistics: layer3, layer4, both logits
  evaluation.loss []
  train.{logits,auxiliary,loss}                with the batch's statistics
  gradient.<name>                              of train.loss
  updated.<name>                               running statistics after this one training forward

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 deeplabv3.py
  python3 deeplabv3.py --head fcn --depths 1 1 1 1 --batch 2 --seed 23 --output fcn_micro.safetensors
"""

import torch
import torchvision
from torch import nn
from torch.nn import functional
from torchvision.models import segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import deeplabv3
from torchvision.models.segmentation.fcn import FCNHead

import golden
import resnet

VOID = 255


def micro_head(inputs, classes, width, rates):
    """DeepLabHead, whose width and rates are constants in torchvision."""
    return nn.Sequential(
        deeplabv3.ASPP(inputs, rates, width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, classes, 1),
    )


def build(model, head, depths, classes, width, rates):
    if model != "micro":
        network = getattr(segmentation, model)(
            weights=None, weights_backbone=None, num_classes=classes, aux_loss=True
        )
        return network, (12, 24, 36)
    backbone = IntermediateLayerGetter(
        resnet.build("micro", 8, depths), {"layer3": "aux", "layer4": "out"}
    )
    channels = 4 * resnet.MICRO_WIDTHS[512]
    main = FCNHead(channels, classes) if head == "fcn" else micro_head(channels, classes, width, rates)
    auxiliary = FCNHead(4 * resnet.MICRO_WIDTHS[256], classes)
    return deeplabv3.DeepLabV3(backbone, main, auxiliary), rates


def forward(network, images):
    features = network.backbone(images)
    return {
        "stage2": features["aux"],
        "stage3": features["out"],
        "logits": network.classifier(features["out"]),
        "auxiliary": network.aux_classifier(features["aux"]),
    }


def resize(features, size):
    return functional.interpolate(features, size=size, mode="bilinear", align_corners=False)


def loss_of(outputs, label):
    def entropy(logits):
        return functional.cross_entropy(resize(logits, label.shape[1:]), label, ignore_index=VOID)

    return entropy(outputs["logits"]) + 0.5 * entropy(outputs["auxiliary"])


def add_arguments(parser):
    """What the networks with an auxiliary classifier have in common."""
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--away-from-kinks", action="store_true", help="of ReLUs; for large networks")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--image-height", type=int, default=23)
    parser.add_argument("--image-width", type=int, default=17)
    parser.add_argument("--seed", type=int, default=7)


def save(options, network, forward, metadata, check_evaluation=None):
    """Gives the network weights and writes its file: the network, its evaluation, and one step without dropout.

    forward(network, images) makes the tensors to record, "logits" and "auxiliary" among them; check_evaluation(images, outputs)
    may hold them against another way to compute them.
    """
    numbers = golden.Numbers(options.seed)
    network = network.double()
    resnet.randomize(network, numbers, options.away_from_kinks)
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0.0
    size = (options.batch, options.image_height, options.image_width)
    images = torch.from_numpy(numbers.normal(size[0], 3, *size[1:]))
    if options.away_from_kinks:
        # Images that differ in their means: the norm of the pooled branch has one value an image.
        images += torch.from_numpy(numbers.normal(size[0], 3, 1, 1, deviation=3.0))
    label = torch.from_numpy(numbers.integers(0, options.classes, *size))
    label[torch.from_numpy(numbers.uniform(*size)) < 0.15] = VOID
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    tensors.update({"input": images, "label": label.to(torch.uint8)})

    network.eval()
    with torch.no_grad():
        outputs = forward(network, images)
        if check_evaluation is not None:
            check_evaluation(images, outputs)
        outputs["loss"] = loss_of(outputs, label)
    tensors.update({f"evaluation.{name}": value for name, value in outputs.items()})

    kinks = resnet.watch_kinks(network)
    network.train()
    outputs = forward(network, images)
    loss = loss_of(outputs, label)
    loss.backward()
    tensors.update({"train.logits": outputs["logits"], "train.auxiliary": outputs["auxiliary"], "train.loss": loss})
    tensors.update({f"gradient.{name}": parameter.grad for name, parameter in network.named_parameters()})
    tensors.update({f"updated.{name}": buffer for name, buffer in network.named_buffers()})
    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    common = {
        "family": "resnet_segmentor",
        "layout": "NCHW",
        "model": options.model,
        "output_stride": 8,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    golden.save(options.output, tensors, {**common, **metadata}, options.check)


def main():
    parser = golden.arguments(__doc__, "deeplabv3_micro.safetensors")
    parser.add_argument("--model", default="micro", help="micro, or a name of torchvision: deeplabv3_resnet101, …")
    parser.add_argument("--head", default="deeplabv3", choices=("deeplabv3", "fcn"), help="of micro")
    parser.add_argument("--depths", type=int, nargs=4, default=(1, 1, 1, 2), help="of micro's ResNet")
    parser.add_argument("--width", type=int, default=3, help="of micro's ASPP")
    parser.add_argument("--rates", type=int, nargs="+", default=(1, 2, 3), help="of micro's ASPP")
    add_arguments(parser)
    options = parser.parse_args()

    network, rates = build(options.model, options.head, options.depths, options.classes, options.width, options.rates)

    def check_evaluation(images, outputs):
        torch.testing.assert_close(resize(outputs["logits"], images.shape[2:]), network(images)["out"])

    metadata = {
        "norm_eps": network.backbone["bn1"].eps,
        "norm_momentum": network.backbone["bn1"].momentum,
        "rates": " ".join(map(str, rates)),
    }
    save(options, network, forward, metadata, check_evaluation)


if __name__ == "__main__":
    main()
