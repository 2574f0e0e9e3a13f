"""Segmenter in PyTorch, on top of timm's ViT, and its golden outputs, loss and gradients.

The mask transformer of Strudel et al. (ICCV 2021), as their code (rstrudel/segmenter) has it, without dropout:

  x      = proj_dec(patch tokens after the encoder's final norm), then cls_emb, one token a class, behind them
  x      = pre-norm transformer blocks (LayerNorm eps 1e-5), decoder_norm
  masks  = normalize(x_patches @ proj_patch) @ normalize(x_classes @ proj_classes)ᵀ
  logits = LayerNorm over the classes (mask_norm), at the stride of the patches
  loss   = cross entropy of the logits, resized (bilinear, align_corners = False) to the padded image and cropped
           to the image, mean over pixels whose label is not 255

Tensors ([N, C, H, W], [O, I, KH, KW]):
  encoder.<timm name>, decoder.…   weights
  input [N, 3, H, W], label [N, H, W] uint8, logits, loss, gradient.input
  gradient.<name>                  for every weight
  odd.{input,label,logits,loss,gradient.input}
                                   for images of another size, that patches do not divide

Computed in float64 from float32 weights and inputs, rounded to float32 once. Checked in:
  python3 segmenter.py
"""

from functools import partial

import timm
import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional

import golden
import vit

VOID = 255
EPSILON = 1e-5


class MaskTransformer(nn.Module):

    def __init__(self, inputs, classes, width, depth, heads):
        super().__init__()
        norm = partial(nn.LayerNorm, eps=EPSILON)
        self.classes = classes
        self.cls_emb = nn.Parameter(torch.empty(1, classes, width))
        self.proj_dec = nn.Linear(inputs, width)
        self.proj_patch = nn.Parameter(torch.empty(width, width))
        self.proj_classes = nn.Parameter(torch.empty(width, width))
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth))
        self.decoder_norm = norm(width)
        self.mask_norm = norm(classes)

    def forward(self, tokens):
        x = torch.cat([self.proj_dec(tokens), self.cls_emb.expand(len(tokens), -1, -1)], 1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_norm(x)
        patches, classes = x[:, : -self.classes] @ self.proj_patch, x[:, -self.classes :] @ self.proj_classes
        patches = patches / patches.norm(dim=-1, keepdim=True)
        classes = classes / classes.norm(dim=-1, keepdim=True)
        return self.mask_norm(patches @ classes.transpose(1, 2))


class Segmenter(nn.Module):

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images):
        patch = self.encoder.patch_embed.patch_size[0]
        height, width = (-(-size // patch) for size in images.shape[2:])
        masks = self.decoder(self.encoder.forward_features(images)[:, 1:])
        return masks.transpose(1, 2).reshape(len(images), -1, height, width)


def loss_of(logits, label, patch):
    padded = [size * patch for size in logits.shape[2:]]
    resized = functional.interpolate(logits, size=padded, mode="bilinear", align_corners=False)
    return functional.cross_entropy(
        resized[:, :, : label.shape[1], : label.shape[2]], label, ignore_index=VOID
    )


def run(network, numbers, batch, size, classes):
    network.zero_grad()
    images = torch.from_numpy(numbers.normal(batch, 3, *size)).requires_grad_()
    label = torch.from_numpy(numbers.integers(0, classes, batch, *size))
    label[torch.from_numpy(numbers.uniform(batch, *size)) < 0.15] = VOID
    logits = network(images)
    loss = loss_of(logits, label, network.encoder.patch_embed.patch_size[0])
    loss.backward()
    return {
        "input": images,
        "label": label.to(torch.uint8),
        "logits": logits,
        "loss": loss,
        "gradient.input": images.grad,
    }


def main():
    parser = golden.arguments(__doc__, "segmenter_micro.safetensors")
    parser.add_argument("--model", default="micro", help="of the encoder: micro, or a ViT of timm")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--width", type=int, default=10, help="of the decoder")
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=[16, 16])
    parser.add_argument("--odd-size", type=int, nargs="*", default=[10, 22])
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    encoder = vit.build(options.model, micro_depth=1)
    decoder = MaskTransformer(encoder.embed_dim, options.classes, options.width, options.depth, options.heads)
    network = Segmenter(encoder, decoder).double().eval()
    vit.randomize(network, numbers)

    tensors = run(network, numbers, options.batch, options.size, options.classes)
    for name, parameter in network.named_parameters():
        tensors[name] = parameter
        tensors[f"gradient.{name}"] = parameter.grad.clone()
    if options.odd_size:
        odd = run(network, numbers, 1, options.odd_size, options.classes)
        tensors.update({f"odd.{name}": value for name, value in odd.items()})
    golden.save(
        options.output,
        tensors,
        {
            "family": "segmenter",
            "layout": "NCHW",
            "model": options.model,
            "heads": encoder.blocks[0].attn.num_heads,
            "decoder_heads": options.heads,
            "epsilon": EPSILON,
            "taps": "",
            "timm": timm.__version__,
            "torch": torch.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
