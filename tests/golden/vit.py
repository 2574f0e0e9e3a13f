"""Golden outputs and gradients of vision transformers, from timm's implementation.

Tensors (of PyTorch's own layout, [N, C, H, W] and [O, I, KH, KW]):
  <timm name>            weights, e.g. blocks.1.attn.qkv.weight; no head.*
  input                  [N, 3, H, W]
  tap0, tap1, …          the outputs of the blocks in the metadata's "taps", as maps, not normalised
  map                    the last block's tokens after the final norm, without the class token, as a map
  loss                   [] = Σ mean(output²) / 2 over the taps and the map
  gradient.<timm name>   d loss / d weight, for every weight
  gradient.input
  odd.input, odd.tap0, …, odd.loss, odd.gradient.{input,cls_token,pos_embed}
                         for images of another size: the position embedding is resized, and the images are
                         padded to whole patches (timm's dynamic_img_size and dynamic_img_pad)

All numbers are computed in float64 from float32 weights and inputs, and rounded to float32 once; only the
positions are resized in float32, as timm does. Weights are random, with norms away from (1, 0).

The file that is checked in:
  python3 vit.py
check_full.py makes and compares full-size ones.
"""

import timm
import torch
from timm.models.vision_transformer import VisionTransformer

import golden

MICRO = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2}
ODD_GRADIENTS = ("input", "cls_token", "pos_embed")
COMMON = {"num_classes": 0, "global_pool": "token", "dynamic_img_size": True, "dynamic_img_pad": True}


def build(model, micro_depth=MICRO["depth"]):
    """timm's ViT without its head: by name, or a small one."""
    if model == "micro":
        return VisionTransformer(**{**MICRO, "depth": micro_depth}, **COMMON)
    return timm.create_model(model, pretrained=False, **COMMON)


def randomize(network, numbers):
    """Weights of a size that keeps activations near 1, and norms that are no identities."""
    for name, parameter in network.named_parameters():
        shape = parameter.shape
        if parameter.ndim == 1:
            norm_weight = name.endswith("weight")
            values = numbers.normal(*shape, mean=float(norm_weight), deviation=0.2 if norm_weight else 0.1)
        elif parameter.ndim == 3:  # Tokens and positions.
            values = numbers.normal(*shape, deviation=0.5)
        else:
            values = numbers.normal(*shape, deviation=(1.5 / parameter[0].numel()) ** 0.5)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))


def outputs(network, images, taps):
    """The taps and the map."""
    tokens, maps = network.forward_intermediates(images, indices=list(taps), norm=False, output_fmt="NCHW")
    height, width = (-(-size // network.patch_embed.patch_size[0]) for size in images.shape[2:])
    tensors = {f"tap{i}": output for i, output in enumerate(maps)}
    patches = tokens[:, tokens.shape[1] - height * width :]
    return {**tensors, "map": patches.transpose(1, 2).reshape(len(images), -1, height, width)}


def run(network, images, taps):
    """Outputs, loss and gradients for one batch."""
    network.zero_grad()
    images = torch.from_numpy(images).requires_grad_()
    tensors = outputs(network, images, taps)
    loss = sum(0.5 * output.square().mean() for output in tensors.values())
    loss.backward()
    tensors.update({"input": images, "loss": loss, "gradient.input": images.grad})
    for name, parameter in network.named_parameters():
        tensors[f"gradient.{name}"] = parameter.grad.clone()
    return tensors


def add_arguments(parser, taps, size, odd_size, seed):
    parser.add_argument("--model", default="micro", help="micro, or a name of timm (default: %(default)s)")
    parser.add_argument("--taps", type=int, nargs="*", default=taps, help="blocks, from 0")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=size, help="height and width of the images")
    parser.add_argument("--odd-size", type=int, nargs="*", default=odd_size, help="of the second images; none without")
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def write(options, network, family, extra=None):
    numbers = golden.Numbers(options.seed)
    network = network.double().eval()
    randomize(network, numbers)
    tensors = run(network, numbers.normal(options.batch, 3, *options.size), options.taps)
    if options.odd_size:
        odd = run(network, numbers.normal(1, 3, *options.odd_size), options.taps)
        for name, value in odd.items():
            if not name.startswith("gradient.") or name.removeprefix("gradient.") in ODD_GRADIENTS:
                tensors[f"odd.{name}"] = value
    tensors.update(dict(network.named_parameters()))
    metadata = {
        "family": family,
        "layout": "NCHW",
        "model": options.model,
        "heads": network.blocks[0].attn.num_heads,
        "taps": " ".join(map(str, options.taps)),
        "timm": timm.__version__,
        "torch": torch.__version__,
    }
    golden.save(options.output, tensors, {**metadata, **(extra or {})}, options.check)


def main():
    parser = golden.arguments(__doc__, "vit_micro.safetensors")
    options = add_arguments(parser, taps=[0, 1], size=[16, 16], odd_size=[22, 9], seed=5).parse_args()
    write(options, build(options.model), "vit")


if __name__ == "__main__":
    main()
