"""Golden outputs and gradients of EVA-02, from timm's implementation.

Tensors as in vit.py, with timm's names of Eva, e.g. blocks.1.attn.q_proj.weight. The micro one has the options
of timm's eva02_large_patch14_448; with global_pool="token" timm keeps a final norm, "norm", over the last
block's tokens.

The file that is checked in:
  python3 eva02.py
check_full.py makes and compares full-size ones.
"""

import timm
from timm.models.eva import Eva

import golden
import vit

MICRO = {"img_size": 12, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
LARGE = {
    "mlp_ratio": 4 * 2 / 3,
    "qkv_fused": False,
    "swiglu_mlp": True,
    "scale_mlp": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (16, 16),
}


def build(model):
    if model == "micro":
        return Eva(**MICRO, **LARGE, **vit.COMMON)
    return timm.create_model(model, pretrained=False, **vit.COMMON)


def main():
    parser = golden.arguments(__doc__, "eva02_micro.safetensors")
    options = vit.add_arguments(parser, taps=[0], size=[12, 12], odd_size=[18, 9], seed=6).parse_args()
    network = build(options.model)
    vit.write(options, network, "eva02", {"reference_grid": LARGE["ref_feat_shape"][0]})


if __name__ == "__main__":
    main()
