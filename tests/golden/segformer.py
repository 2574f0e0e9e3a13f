"""SegFormer of transformers and of mmseg's form, and their golden outputs, loss, gradients and running statistics.

Xie et al., NeurIPS 2021, in three forms that differ in names, head and ε of the LayerNorms:

  hugging_face  SegformerForSemanticSegmentation of transformers, from a configuration
  nvidia        the same with NVlabs/SegFormer's ε, under its names: key and value are one matrix
  mmseg         written here in PyTorch from mmseg's and SSSegmentation's description: torch.nn.MultiheadAttention, 1×1 convolutions in
                the Mix-FFN, a head of convolution, batch norm and ReLU a level, deepest level last; ε 1e-6

  loss = cross entropy of the logits, resized (bilinear, align_corners = False) to the label, mean over pixels whose label is not 255;
         without dropout and stochastic depth

Tensors ([N, C, H, W], [O, I, KH, KW]), under the names of the package whose form it is:
  <name>                                     weights and running statistics before the step
  input [N, 3, H, W], label [N, H, W] uint8
  evaluation.{stage0 … stage3,logits,loss}   with the running statistics: the normalised outputs of the stages, the logits at stride 4
  train.{logits,loss}                        with the batch's statistics
  gradient.<name>, gradient.input            of train.loss
  updated.<name>                             running statistics after this one training forward

Computed in float64 from float32 weights and inputs, rounded to float32 once. Images of 45×61 have maps of 12×16, 6×8, 3×4 and 2×2:
the reductions by 8, 4 and 2 leave rows or columns out of the first three. The weights of norms are small, so that the ε counts: with
another package's the logits would differ by what is printed. Checked in:
  python3 segformer.py
  python3 segformer.py --form nvidia --seed 25 --output segformer_nvidia_micro.safetensors
  python3 segformer.py --form mmseg --seed 26 --output segformer_mmseg_micro.safetensors
"""

import copy
import os
import re
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

import golden
import resnet

VOID = 255
REDUCTIONS = (8, 4, 2, 1)
# Name: channels, blocks and heads of the stages, width of Hugging Face's and NVlabs' head.
SIZES = {
    "micro": ((4, 8, 12, 16), (1, 2, 1, 1), (1, 2, 3, 4), 6),
    "mit_b0": ((32, 64, 160, 256), (2, 2, 2, 2), (1, 2, 5, 8), 256),
    "mit_b1": ((64, 128, 320, 512), (2, 2, 2, 2), (1, 2, 5, 8), 256),
    "mit_b3": ((64, 128, 320, 512), (3, 4, 18, 3), (1, 2, 5, 8), 768),
}
# ε of the norms of patch embeddings, blocks, reductions and stages.
EPSILONS = {
    "hugging_face": (1e-5, 1e-5, 1e-5, 1e-5),
    "nvidia": (1e-5, 1e-6, 1e-5, 1e-6),
    "mmseg": (1e-6, 1e-6, 1e-6, 1e-6),
}
# What the names of norms end in, in the order of EPSILONS, in the two classes.
NORMS = {
    "transformers": (
        r"patch_embeddings\.layer_norm",
        r"layernorm_(before|after)",
        r"sequence_reduction\.layer_norm",
        r"stages\.\d\.layer_norm",
    ),
    "mmseg": (r"layers\.\d\.0\.norm", r"norm[12]", r"attn\.norm", r"layers\.\d\.2"),
}


def norms(network):
    """Each LayerNorm with the place of its ε in EPSILONS."""
    patterns = NORMS["mmseg" if isinstance(network, MmsegSegFormer) else "transformers"]
    for name, module in network.named_modules():
        if isinstance(module, nn.LayerNorm):
            (kind,) = (i for i, pattern in enumerate(patterns) if re.search(pattern + "$", name))
            yield module, kind


def set_epsilons(network, form):
    for norm, kind in norms(network):
        norm.eps = EPSILONS[form][kind]


class PatchEmbed(nn.Module):

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        self.projection = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x):
        return over_channels(self.norm, self.projection(x))


class EfficientAttention(nn.Module):

    def __init__(self, width, heads, reduction):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, x):
        reduced = over_channels(self.norm, self.sr(x)) if self.reduction > 1 else x
        tokens = [tensor.flatten(2).transpose(1, 2) for tensor in (x, reduced)]
        attended = self.attn(tokens[0], tokens[1], tokens[1], need_weights=False)[0]
        return attended.transpose(1, 2).reshape(x.shape)


class MixFfn(nn.Module):

    def __init__(self, width):
        super().__init__()
        hidden = 4 * width
        self.layers = nn.Sequential(
            nn.Conv2d(width, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Dropout(0),
            nn.Conv2d(hidden, width, 1),
        )

    def forward(self, x):
        return self.layers(x)


class EncoderLayer(nn.Module):

    def __init__(self, width, heads, reduction):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = EfficientAttention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width)
        self.ffn = MixFfn(width)

    def forward(self, x):
        x = x + self.attn(over_channels(self.norm1, x))
        return x + self.ffn(over_channels(self.norm2, x))


class ConvolutionNormRelu(nn.Module):

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


def over_channels(norm, x):
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MmsegSegFormer(nn.Module):

    def __init__(self, dims, depths, heads, width, classes):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.layers = nn.ModuleList()
        for s, (inputs, dim) in enumerate(zip((3, *dims), dims)):
            embed = PatchEmbed(inputs, dim, 7 if s == 0 else 3, 4 if s == 0 else 2)
            blocks = nn.ModuleList(EncoderLayer(dim, heads[s], REDUCTIONS[s]) for _ in range(depths[s]))
            self.backbone.layers.append(nn.ModuleList([embed, blocks, nn.LayerNorm(dim)]))
        self.decode_head = nn.Module()
        self.decode_head.convs = nn.ModuleList(ConvolutionNormRelu(dim, width) for dim in dims)
        self.decode_head.fusion_conv = ConvolutionNormRelu(4 * width, width)
        self.decode_head.conv_seg = nn.Conv2d(width, classes, 1)

    def forward(self, images):
        stages, x = [], images
        for embed, blocks, norm in self.backbone.layers:
            x = embed(x)
            for block in blocks:
                x = block(x)
            x = over_channels(norm, x)
            stages.append(x)
        size = stages[0].shape[2:]
        levels = [
            functional.interpolate(conv(stage), size, mode="bilinear", align_corners=False)
            for conv, stage in zip(self.decode_head.convs, stages)
        ]
        return stages, self.decode_head.conv_seg(self.decode_head.fusion_conv(torch.cat(levels, 1)))


def outputs(network, images):
    """The four stages and the logits."""
    if isinstance(network, MmsegSegFormer):
        return network(images)
    result = network(images, output_hidden_states=True)
    return list(result.hidden_states), result.logits


class Logits(nn.Module):
    """Of a network, nothing else."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return outputs(self.network, images)[1]


def build(form, size, classes):
    dims, depths, heads, width = SIZES[size]
    if form == "mmseg":
        network = MmsegSegFormer(dims, depths, heads, width if size == "micro" else 256, classes)
    else:
        network = transformers.SegformerForSemanticSegmentation(
            transformers.SegformerConfig(
                depths=list(depths),
                sr_ratios=list(REDUCTIONS),
                hidden_sizes=list(dims),
                num_attention_heads=list(heads),
                decoder_hidden_size=width,
                num_labels=classes,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                classifier_dropout_prob=0.0,
                drop_path_rate=0.0,
                attn_implementation="sdpa",  # The other one rounds to float32.
            )
        )
    if form == "hugging_face":
        assert all(norm.eps == EPSILONS[form][kind] for norm, kind in norms(network)), "transformers has another ε"
    else:
        set_epsilons(network, form)
    return network


def nvidia_name(name):
    """NVlabs' name for one of transformers' files."""
    name = name.removeprefix("segformer.encoder.")
    for pattern, replacement in (
        (r"^patch_embeddings\.(\d)\.proj", lambda m: f"backbone.patch_embed{int(m[1]) + 1}.proj"),
        (r"^patch_embeddings\.(\d)\.layer_norm", lambda m: f"backbone.patch_embed{int(m[1]) + 1}.norm"),
        (r"^layer_norm\.(\d)", lambda m: f"backbone.norm{int(m[1]) + 1}"),
        (r"^block\.(\d)", lambda m: f"backbone.block{int(m[1]) + 1}"),
        (r"layer_norm_([12])", r"norm\1"),
        (r"attention\.self\.query", "attn.q"),
        (r"attention\.self\.(key|value)", "attn.kv"),
        (r"attention\.self\.sr", "attn.sr"),
        (r"attention\.self\.layer_norm", "attn.norm"),
        (r"attention\.output\.dense", "attn.proj"),
        (r"mlp\.dense", "mlp.fc"),
        (r"linear_c\.(\d)", lambda m: f"linear_c{int(m[1]) + 1}"),
        (r"decode_head\.linear_fuse\.weight", "decode_head.linear_fuse.conv.weight"),
        (r"decode_head\.batch_norm", "decode_head.linear_fuse.bn"),
        (r"decode_head\.classifier", "decode_head.linear_pred"),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def transformers_files(network, tensors):
    """The tensors by the names that transformers gives them in files, which are not those of its modules."""
    holder = copy.deepcopy(network)
    holder.load_state_dict({**network.state_dict(), **tensors})
    with tempfile.TemporaryDirectory() as folder:
        holder.save_pretrained(folder)
        return load_file(os.path.join(folder, "model.safetensors"))


def from_transformers_files(network, tensors):
    """A network like this one, from a file of the tensors: transformers must find all that it wants and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        network.config.save_pretrained(folder)
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        loaded, report = type(network).from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return loaded


def published(network, form, tensors):
    """Tensors of a whole state, by the names of the form's package: NVlabs' key and value, in this order, are one."""
    if form == "mmseg":
        return dict(tensors)
    files = transformers_files(network, tensors)
    if form == "hugging_face":
        return files
    renamed = {}
    for name in sorted(files):  # Keys come before values.
        theirs = nvidia_name(name)
        renamed[theirs] = torch.cat([renamed[theirs], files[name]]) if theirs in renamed else files[name]
    return renamed


def randomize(network, numbers, away_from_kinks):
    """Weights that keep activations near 1, norms that are no identities, and statistics that are not the batch's.

    Away from kinks, batch norms give ±1 and a tenth of their normalised input: no value comes near the kink of the ReLU behind it.
    """
    batch_norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, tensor in network.state_dict().items():
        module, _, last = name.rpartition(".")
        shape = tensor.shape
        if last == "num_batches_tracked":
            continue
        if last == "running_mean":
            values = numbers.normal(*shape, deviation=0.2)
        elif last == "running_var":
            values = numbers.uniform(*shape, low=0.5, high=1.5)
        elif tensor.ndim > 1:
            values = numbers.normal(*shape, deviation=(1.5 / tensor[0].numel()) ** 0.5)
        elif module in batch_norms and away_from_kinks and last == "weight":
            values = numbers.uniform(*shape, low=0.05, high=0.15)
        elif module in batch_norms and away_from_kinks:
            values = numbers.uniform(*shape, low=0.9, high=1.1) * (2 * numbers.integers(0, 2, *shape) - 1)
        elif last == "weight":
            mean = 1.0 if module in batch_norms else 0.3
            values = numbers.normal(*shape, mean=mean, deviation=0.2 * mean)
        else:
            values = numbers.normal(*shape, deviation=0.1)
        tensor.copy_(torch.from_numpy(values))


def loss_of(logits, label):
    resized = functional.interpolate(logits, label.shape[1:], mode="bilinear", align_corners=False)
    return functional.cross_entropy(resized, label, ignore_index=VOID)


def print_effect_of_epsilons(network, form, images, logits):
    """What the logits differ by with another package's ε, as a share of the largest."""
    for other in EPSILONS:
        if other == form:
            continue
        set_epsilons(network, other)
        difference = (outputs(network, images)[1] - logits).abs().max() / logits.abs().max()
        print(f"with the ε of {other}: {float(difference):.1e}")
    set_epsilons(network, form)


def main():
    parser = golden.arguments(__doc__, "segformer_micro.safetensors")
    parser.add_argument("--form", default="hugging_face", choices=EPSILONS)
    parser.add_argument("--model", default="micro", choices=SIZES)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=[45, 61], help="height and width of the images")
    parser.add_argument("--away-from-kinks", action="store_true", help="of ReLUs; for large networks")
    parser.add_argument("--seed", type=int, default=27)
    options = parser.parse_args()

    numbers = golden.Numbers(options.seed)
    network = build(options.form, options.model, options.classes).double()
    print(f"{sum(parameter.numel() for parameter in network.parameters())} parameters")
    randomize(network, numbers, options.away_from_kinks)
    images = torch.from_numpy(numbers.normal(options.batch, 3, *options.size)).requires_grad_()
    label = torch.from_numpy(numbers.integers(0, options.classes, options.batch, *options.size))
    label[torch.from_numpy(numbers.uniform(options.batch, *options.size)) < 0.15] = VOID
    state = published(network, options.form, network.state_dict())
    tensors = {name: value.clone() for name, value in state.items()}
    tensors.update({"input": images, "label": label.to(torch.uint8)})

    network.eval()
    with torch.no_grad():
        stages, logits = outputs(network, images)
        tensors.update({f"evaluation.stage{s}": stage for s, stage in enumerate(stages)})
        tensors.update({"evaluation.logits": logits, "evaluation.loss": loss_of(logits, label)})
        print_effect_of_epsilons(network, options.form, images, logits)

    kinks = resnet.watch_kinks(network)
    network.train()
    _, logits = outputs(network, images)
    loss = loss_of(logits, label)
    loss.backward()
    tensors.update({"train.logits": logits, "train.loss": loss, "gradient.input": images.grad})
    step = {name: parameter.grad for name, parameter in network.named_parameters()}
    step.update(network.named_buffers())
    for name, tensor in published(network, options.form, step).items():
        statistic = name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
        tensors[f"{'updated' if statistic else 'gradient'}.{name}"] = tensor
    print(f"distance to the nearest kink of a ReLU: {min(kinks):.1e}")
    golden.save(
        options.output,
        tensors,
        {
            "family": "segformer",
            "form": options.form,
            "heads": " ".join(map(str, SIZES[options.model][2])),
            "layout": "NCHW",
            "model": options.model,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        options.check,
    )


if __name__ == "__main__":
    main()
