"""SETR-Naive in PyTorch, on timm's ViT, and its golden outputs, loss, gradients and running statistics.

The encoder is timm's patch projection and blocks, without timm's final norm; positions of another grid are resized as in SETR's
public packages (bilinear, align_corners = False; timm does otherwise), and images are padded with zeros at the bottom and on the
right to whole patches. A head on the map of a block's tokens, without the class token, in the order of the packages:

  LayerNorm (eps 1e-6); --convolutions times [convolution of --kernel (with bias: --bias), batch norm, ReLU, bilinear resize by
  --scale, align_corners = False]; 1×1 convolution with bias

The main head is on the last block, an auxiliary one on each of --taps. Logits are taken before they are resized to the image.

  loss = cross entropy of the main logits + 0.4 · that of each of the auxiliary ones, each resized to the label's size (bilinear,
         align_corners = False) and averaged over pixels whose label is not 255; without dropout

Tensors ([N, C, H, W], [O, I, KH, KW]):
  encoder.<timm name>, decode_head.…, auxiliary_head.{0,1,2}.…   weights and running statistics before the step
                         (a head's: norm, up_convs.i.0.{conv,bn}, conv_seg, as in mmseg)
  input [N, 3, H, W], label [N, H, W] uint8
  evaluation.{tap0 … tap3,logits,auxiliary0 … auxiliary2,loss}   with the running statistics; tap3 is the last block's
  train.{logits,auxiliary0 … auxiliary2,loss}                    with the batch's statistics
  gradient.<name>, gradient.input                                of train.loss
  updated.<name>                                                 running statistics after this one training forward
  odd.{input,label,tap0 …,logits,auxiliary0 …,loss,gradient.input,gradient.encoder.pos_embed}
                         for images of another size, that patches do not divide, with the running statistics of the first lines

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 setr.py
  python3 setr.py --convolutions 1 --kernel 1 --scale 1 --bias --seed 42 --output setr_fudan_micro.safetensors
"""

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

import golden
import resnet

MICRO = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 4, "num_heads": 2}
VOID = 255


class Head(nn.Module):

    def __init__(self, inputs, classes, width, convolutions, kernel, scale, bias):
        super().__init__()
        self.norm = nn.LayerNorm(inputs, eps=1e-6)
        self.up_convs = nn.ModuleList()
        for i in range(convolutions):
            layer = nn.Module()
            layer.conv = nn.Conv2d(inputs if i == 0 else width, width, kernel, padding=kernel // 2, bias=bias)
            layer.bn = nn.BatchNorm2d(width)
            self.up_convs.append(nn.ModuleList([layer]))
        self.relu = nn.ReLU()
        self.resize = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=False)
        self.conv_seg = nn.Conv2d(width, classes, 1)

    def forward(self, features):
        features = self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        for (layer,) in self.up_convs:
            features = self.resize(self.relu(layer.bn(layer.conv(features))))
        return self.conv_seg(features)


class Setr(nn.Module):

    def __init__(self, encoder, taps, make_head):
        super().__init__()
        self.encoder = encoder
        self.taps = [*taps, len(encoder.blocks) - 1]
        self.decode_head = make_head()
        self.auxiliary_head = nn.ModuleList(make_head() for _ in taps)

    def maps(self, images):
        encoder = self.encoder
        patch = encoder.patch_embed.patch_size[0]
        height, width = images.shape[2:]
        padded = functional.pad(images, (0, -width % patch, 0, -height % patch))
        patches = encoder.patch_embed.proj(padded)
        rows, columns = patches.shape[2:]
        side = encoder.patch_embed.grid_size[0]
        positions = encoder.pos_embed[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        if (rows, columns) != (side, side):
            positions = functional.interpolate(positions, (rows, columns), mode="bilinear", align_corners=False)
        x = (patches + positions).flatten(2).transpose(1, 2)
        first = (encoder.cls_token + encoder.pos_embed[:, :1]).expand(len(images), -1, -1)
        x = torch.cat([first, x], 1)
        maps = []
        for i, block in enumerate(encoder.blocks):
            x = block(x)
            if i in self.taps:
                maps.append(x[:, 1:].transpose(1, 2).reshape(len(images), -1, rows, columns))
        return maps

    def forward(self, images):
        maps = self.maps(images)
        outputs = {f"tap{i}": features for i, features in enumerate(maps)}
        outputs["logits"] = self.decode_head(maps[-1])
        for i, head in enumerate(self.auxiliary_head):
            outputs[f"auxiliary{i}"] = head(maps[i])
        return outputs


def build_encoder(model):
    arguments = {"num_classes": 0, "global_pool": "token"}
    if model == "micro":
        encoder = VisionTransformer(**MICRO, **arguments)
    else:
        encoder = timm.create_model(model, pretrained=False, **arguments)
    encoder.norm = nn.Identity()
    return encoder


def build(model, classes, width, taps, convolutions, kernel, scale, bias):
    encoder = build_encoder(model)

    def make_head():
        return Head(encoder.embed_dim, classes, width, convolutions, kernel, scale, bias)

    return Setr(encoder, taps, make_head)


def randomize(network, numbers, away_from_kinks):
    """Weights of a size that keeps activations near 1, norms that are no identities, and statistics that are not the batch's.

    Away from kinks, the batch norms give ±1 and a tenth of their normalised input: no value comes near a ReLU's kink.
    """
    for name, tensor in network.state_dict().items():
        shape = tensor.shape
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_mean"):
            values = numbers.normal(*shape, deviation=0.2)
        elif name.endswith("running_var"):
            values = numbers.uniform(*shape, low=0.5, high=1.5)
        elif away_from_kinks and ".bn." in name:
            if name.endswith("weight"):
                values = numbers.uniform(*shape, low=0.05, high=0.15)
            else:
                values = numbers.uniform(*shape, low=0.9, high=1.1) * (2 * numbers.integers(0, 2, *shape) - 1)
        elif tensor.ndim == 1:
            is_norm = name.endswith("weight")
            values = numbers.normal(*shape, mean=float(is_norm), deviation=0.2 if is_norm else 0.1)
        elif tensor.ndim == 3:  # Tokens and positions.
            values = numbers.normal(*shape, deviation=0.5)
        else:
            values = numbers.normal(*shape, deviation=(1.5 / tensor[0].numel()) ** 0.5)
        tensor.copy_(torch.from_numpy(values))


def loss_of(outputs, label):
    def entropy(logits):
        resized = functional.interpolate(logits, size=label.shape[1:], mode="bilinear", align_corners=False)
        return functional.cross_entropy(resized, label, ignore_index=VOID)

    others = [value for name, value in outputs.items() if name.startswith("auxiliary")]
    return entropy(outputs["logits"]) + 0.4 * sum(entropy(logits) for logits in others)


def batch_of(numbers, count, size, classes):
    images = torch.from_numpy(numbers.normal(count, 3, *size)).requires_grad_()
    label = torch.from_numpy(numbers.integers(0, classes, count, *size))
    label[torch.from_numpy(numbers.uniform(count, *size)) < 0.15] = VOID
    return images, label


def main():
    parser = golden.arguments(__doc__, "setr_micro.safetensors")
    parser.add_argument("--model", default="micro", help="of the encoder: micro, or a ViT of timm")
    parser.add_argument("--taps", type=int, nargs=3, default=[0, 1, 2], help="blocks of the auxiliary heads, from 0")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--width", type=int, default=6, help="of the heads")
    parser.add_argument("--convolutions", type=int, default=2)
    parser.add_argument("--kernel", type=int, default=3)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--bias", action="store_true")
    parser.add_argument("--away-from-kinks", action="store_true", help="of ReLUs; for large networks")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=[16, 16])
    parser.add_argument("--odd-size", type=int, nargs="*", default=[10, 22])
    parser.add_argument("--seed", type=int, default=41)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    heads = (options.width, options.taps, options.convolutions, options.kernel, options.scale, options.bias)
    network = build(options.model, options.classes, *heads).double()
    print(f"{sum(parameter.numel() for parameter in network.parameters())} parameters")
    randomize(network, numbers, options.away_from_kinks)
    images, label = batch_of(numbers, options.batch, options.size, options.classes)
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    tensors.update({"input": images, "label": label.to(torch.uint8)})

    network.eval()
    with torch.no_grad():
        outputs = network(images)
        outputs["loss"] = loss_of(outputs, label)
    tensors.update({f"evaluation.{name}": value for name, value in outputs.items()})
    kinks = resnet.watch_kinks(network)
    if options.odd_size:
        odd_images, odd_label = batch_of(numbers, 1, options.odd_size, options.classes)
        outputs = network(odd_images)
        loss = loss_of(outputs, odd_label)
        loss.backward()
        outputs.update({"input": odd_images, "label": odd_label.to(torch.uint8), "loss": loss})
        outputs["gradient.input"] = odd_images.grad
        outputs["gradient.encoder.pos_embed"] = network.encoder.pos_embed.grad.clone()
        tensors.update({f"odd.{name}": value for name, value in outputs.items()})
        network.zero_grad()

    network.train()
    outputs = network(images)
    loss = loss_of(outputs, label)
    loss.backward()
    tensors.update({f"train.{name}": value for name, value in outputs.items() if not name.startswith("tap")})
    tensors.update({"train.loss": loss, "gradient.input": images.grad})
    tensors.update({f"gradient.{name}": parameter.grad for name, parameter in network.named_parameters()})
    tensors.update({f"updated.{name}": buffer for name, buffer in network.named_buffers()})
    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    norm = network.decode_head.up_convs[0][0].bn
    golden.save(
        options.output,
        tensors,
        {
            "family": "setr",
            "layout": "NCHW",
            "model": options.model,
            "heads": network.encoder.blocks[0].attn.num_heads,
            "taps": " ".join(map(str, options.taps)),
            "scale": options.scale,
            "norm_eps": norm.eps,
            "norm_momentum": norm.momentum,
            "timm": timm.__version__,
            "torch": torch.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
