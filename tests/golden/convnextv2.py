"""Golden outputs and gradients of ConvNeXt-V2, from timm's implementation.

Tensors (all of PyTorch's own layout, [N, C, H, W] and [O, I, KH, KW]):
  <timm name>            weights, e.g. stages.2.blocks.1.mlp.grn.weight; no head.*
  input                  [N, 3, H, W]
  stage0 .. stage3       the outputs of the four stages, not normalised
  loss                   [] = Σ_s mean(stage_s²) / 2; so d loss / d stage_s = stage_s / (elements of stage_s)
  gradient.<timm name>   d loss / d weight, for every weight
  gradient.input

All numbers are computed in float64 from float32 weights and inputs, and rounded to float32 once. Weights
are random, with layer norms away from (1, 0) and GRN away from 0, so that nothing hides behind an initial
identity.

The two files that are checked in:
  python3 convnextv2.py
  python3 convnextv2.py --height 36 --width 44 --linear-mlp --seed 2 --output convnextv2_micro_odd.safetensors
The second one has sizes that no stage divides evenly, and the two-dimensional fc weights of tiny and larger
models.

check_full.py makes and compares full-size ones.
"""

import timm
import torch
from timm.models.convnext import ConvNeXt

import golden

MICRO_DEPTHS = (1, 1, 2, 1)
MICRO_DIMS = (8, 12, 16, 24)


def build(model, depths=MICRO_DEPTHS, dims=MICRO_DIMS, linear_mlp=False):
    """timm's ConvNeXt-V2 without its head: by name, or of the given depths and widths."""
    if model == "micro":
        network = ConvNeXt(
            depths=depths, dims=dims, use_grn=True, ls_init_value=None, conv_mlp=not linear_mlp
        )
    else:
        network = timm.create_model(model, pretrained=False)
    network.head = torch.nn.Identity()
    return network


def randomize(network, numbers):
    """Weights of a size that keeps activations near 1, and norms that are no identities."""
    for name, parameter in network.named_parameters():
        shape = parameter.shape
        if ".grn." in name:
            values = numbers.normal(*shape, deviation=0.5 if name.endswith("weight") else 0.2)
        elif parameter.ndim == 1 and name.endswith("weight"):
            values = numbers.normal(*shape, mean=1.0, deviation=0.2)
        elif parameter.ndim == 1:
            values = numbers.normal(*shape, deviation=0.1)
        else:
            values = numbers.normal(*shape, deviation=(1.5 / parameter[0].numel()) ** 0.5)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))


def stages(network, images):
    outputs = []
    features = network.stem(images)
    for stage in network.stages:
        features = stage(features)
        outputs.append(features)
    return outputs


def main():
    parser = golden.arguments(__doc__, "convnextv2_micro.safetensors")
    parser.add_argument(
        "--model", default="micro", help="micro, or a name of timm: convnextv2_atto … convnextv2_tiny"
    )
    parser.add_argument(
        "--linear-mlp", action="store_true", help="micro only: fc weights with two dimensions"
    )
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    network = build(options.model, linear_mlp=options.linear_mlp).double().eval()
    randomize(network, numbers)
    images = torch.from_numpy(
        numbers.normal(options.batch, 3, options.height, options.width)
    ).requires_grad_()

    outputs = stages(network, images)
    loss = sum(0.5 * output.square().mean() for output in outputs)
    loss.backward()

    tensors = {"input": images, "loss": loss, "gradient.input": images.grad}
    tensors.update({f"stage{s}": output for s, output in enumerate(outputs)})
    for name, parameter in network.named_parameters():
        tensors[name] = parameter
        tensors[f"gradient.{name}"] = parameter.grad
    golden.save(
        options.output,
        tensors,
        {"layout": "NCHW", "model": options.model, "timm": timm.__version__, "torch": torch.__version__},
        options.check,
    )


if __name__ == "__main__":
    main()
