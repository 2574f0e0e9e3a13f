"""Golden values of single operations, from PyTorch.

Tensors are named operation/case/tensor. Layouts are this repository's: images [N, H, W, C], filters [O, KH,
KW, I / groups] (depthwise: [C, KH, KW, 1]), matrices of a linear layer [O, I], tokens and attention heads
[N, heads, L, D]. Every case has its inputs by name, `output`, a random `doutput`, and for every floating
input x the gradient `dx` of sum(output · doutput). Attributes of a case (stride, padding, …) are in the
file's metadata, as JSON under operation/case.

Computed in float64 from float32 inputs, rounded to float32 once. Checked in:  python3 ops.py
"""

import json

import torch
from torch.nn import functional

import golden


class Cases:

    def __init__(self, seed):
        self.numbers = golden.Numbers(seed)
        self.tensors = {}
        self.attributes = {}

    def normal(self, *shape, **distribution):
        return torch.from_numpy(self.numbers.normal(*shape, **distribution))

    def add(self, name, function, inputs, extra=None, **attributes):
        """Runs `function(**inputs)`; `extra()` gives further tensors after the run."""
        for value in inputs.values():
            if value.is_floating_point():
                value.requires_grad_()
        output = function(**inputs)
        doutput = self.normal(*output.shape)
        (output * doutput).sum().backward()

        self.attributes[name] = json.dumps(attributes, sort_keys=True)
        results = {**inputs, "output": output, "doutput": doutput}
        results.update({f"d{key}": value.grad for key, value in inputs.items() if value.requires_grad})
        results.update(extra() if extra else {})
        self.tensors.update({f"{name}/{key}": value.detach().clone() for key, value in results.items()})


def on_nchw(function):
    """Wraps a function of one [N, C, H, W] image as one of [N, H, W, C]."""
    return lambda input: golden.nhwc(function(input.permute(0, 3, 1, 2)))


def convolutions(cases):

    def add(name, n, h, w, i, o, kernel, bias=True, groups=1, stride=1, padding=0, dilation=1):

        def function(input, filter, bias=None):
            return golden.nhwc(
                functional.conv2d(
                    input.permute(0, 3, 1, 2),
                    filter.permute(0, 3, 1, 2),
                    bias,
                    stride,
                    padding,
                    dilation,
                    groups,
                )
            )

        inputs = {"input": cases.normal(n, h, w, i), "filter": cases.normal(o, *kernel, i // groups)}
        if bias:
            inputs["bias"] = cases.normal(o)
        cases.add(name, function, inputs, stride=stride, padding=padding, dilation=dilation, groups=groups)

    add("conv2d/same_3x3", 2, 5, 6, 3, 4, (3, 3), padding=1)
    add("conv2d/valid_2x3", 1, 4, 5, 2, 3, (2, 3), bias=False)
    add("conv2d/pointwise", 2, 3, 4, 5, 3, (1, 1))
    add("conv2d/stride2_3x3", 2, 7, 6, 3, 4, (3, 3), padding=1, stride=2)
    add("conv2d/stride2_7x7", 1, 9, 10, 3, 2, (7, 7), padding=3, stride=2, bias=False)
    add("conv2d/patch4", 1, 9, 11, 3, 4, (4, 4), stride=4)
    add("conv2d/dilation2", 1, 7, 8, 3, 2, (3, 3), padding=2, dilation=2)
    add("conv2d/stride2_dilation3", 1, 9, 8, 2, 2, (3, 3), padding=3, dilation=3, stride=2)
    add("conv2d/groups2", 2, 5, 4, 4, 6, (3, 3), padding=1, groups=2)
    add("depthwise/7x7", 2, 6, 9, 3, 3, (7, 7), padding=3, groups=3)
    add("depthwise/7x7_small_image", 1, 2, 3, 8, 8, (7, 7), padding=3, groups=8)
    add("depthwise/3x3", 1, 5, 5, 4, 4, (3, 3), padding=1, groups=4, bias=False)

    def linear(input, weight, bias):
        return functional.linear(input, weight, bias)

    cases.add(
        "linear/tokens",
        linear,
        {"input": cases.normal(2, 3, 4), "weight": cases.normal(5, 4), "bias": cases.normal(5)},
    )


def norms(cases):

    def affine(channels):
        return {
            "gamma": cases.normal(channels, mean=1.0, deviation=0.3),
            "beta": cases.normal(channels, deviation=0.3),
        }

    def image(*shape):
        return cases.normal(*shape, mean=0.5, deviation=1.5)

    for channels, eps in ((5, 1e-6), (8, 1e-5)):

        def layer_norm(input, gamma, beta, eps=eps):
            return functional.layer_norm(input, gamma.shape, gamma, beta, eps)

        cases.add(
            f"layer_norm/channels{channels}",
            layer_norm,
            {"input": image(2, 3, 4, channels), **affine(channels)},
            eps=eps,
        )

    for training in (True, False):
        mean, variance = cases.normal(4, deviation=0.3), torch.from_numpy(
            cases.numbers.uniform(4, low=0.5, high=2.0)
        )
        before = {"running_mean": mean.clone(), "running_variance": variance.clone()}

        def batch_norm(input, gamma, beta, mean=mean, variance=variance, training=training):
            return golden.nhwc(
                functional.batch_norm(
                    input.permute(0, 3, 1, 2), mean, variance, gamma, beta, training, 0.1, 1e-5
                )
            )

        def statistics(before=before, mean=mean, variance=variance):
            return {**before, "updated_running_mean": mean, "updated_running_variance": variance}

        cases.add(
            f"batch_norm/{'training' if training else 'evaluation'}",
            batch_norm,
            {"input": image(2, 3, 5, 4), **affine(4)},
            statistics,
            momentum=0.1,
            eps=1e-5,
        )

    def group_norm(input, gamma, beta):
        return golden.nhwc(functional.group_norm(input.permute(0, 3, 1, 2), 3, gamma, beta, 1e-5))

    cases.add("group_norm/groups3", group_norm, {"input": image(2, 3, 4, 6), **affine(6)}, groups=3, eps=1e-5)

    def global_response_norm(input, gamma, beta):
        norm = input.square().sum((1, 2), keepdim=True).sqrt()
        return input + beta + gamma * input * (norm / (norm.mean(-1, keepdim=True) + 1e-6))

    cases.add(
        "global_response_norm/plain",
        global_response_norm,
        {"input": image(2, 4, 3, 6), "gamma": cases.normal(6), "beta": cases.normal(6)},
        eps=1e-6,
    )


def activations(cases):
    for name, function in (("gelu", functional.gelu), ("silu", functional.silu)):
        cases.add(
            f"{name}/plain",
            lambda input, function=function: function(input),
            {"input": cases.normal(64, deviation=2.5)},
        )
    for name, function in (("softmax", functional.softmax), ("log_softmax", functional.log_softmax)):
        cases.add(
            f"{name}/last",
            lambda input, function=function: function(input, -1),
            {"input": cases.normal(2, 3, 4, 7, deviation=3.0)},
        )
        cases.add(
            f"{name}/large",
            lambda input, function=function: function(input, -1),
            {"input": cases.normal(3, 5, mean=200.0, deviation=60.0)},
        )


def attention(cases):
    for name, queries, keys, depth, value_depth, scale in (
        ("scaled", 5, 5, 4, 4, None),
        ("unscaled", 6, 6, 3, 3, 1.0),
        ("cross", 3, 7, 4, 6, None),
    ):

        def function(query, key, value, scale=scale):
            return functional.scaled_dot_product_attention(query, key, value, scale=scale)

        cases.add(
            f"attention/{name}",
            function,
            {
                "query": cases.normal(2, 2, queries, depth),
                "key": cases.normal(2, 2, keys, depth),
                "value": cases.normal(2, 2, keys, value_depth),
            },
            scale=depth**-0.5 if scale is None else scale,
        )


def resizes(cases):
    enlarge, reduce = ((5, 7), (8, 16)), ((9, 12), (4, 7))

    def add(name, sizes, mode, align_corners=None, antialias=False, channels=2):
        (h, w), size = sizes

        @on_nchw
        def function(input):
            return functional.interpolate(
                input, size, mode=mode, align_corners=align_corners, antialias=antialias
            )

        cases.add(
            f"resize/{name}",
            function,
            {"input": cases.normal(1, h, w, channels)},
            mode=mode,
            size=size,
            align_corners=bool(align_corners),
            antialias=antialias,
        )

    for direction, sizes in (("enlarge", enlarge), ("reduce", reduce)):
        add(f"bilinear_{direction}", sizes, "bilinear", False)
        add(f"bilinear_align_corners_{direction}", sizes, "bilinear", True)
        add(f"nearest_{direction}", sizes, "nearest")
        add(f"nearest_half_pixel_{direction}", sizes, "nearest-exact")
        add(f"bicubic_{direction}", sizes, "bicubic", False)
        add(f"bicubic_antialias_{direction}", sizes, "bicubic", False, True)
        add(f"bilinear_antialias_{direction}", sizes, "bilinear", False, True)
    add("bilinear_one_pixel", ((1, 1), (3, 2)), "bilinear", False)
    add("bilinear_times4", ((3, 4), (12, 16)), "bilinear", False)


def pools(cases):

    def add(name, function, h, w, channels=3, **attributes):
        cases.add(name, on_nchw(function), {"input": cases.normal(2, h, w, channels)}, **attributes)

    add(
        "max_pool/3x3_stride2",
        lambda x: functional.max_pool2d(x, 3, 2, 1),
        7,
        8,
        kernel=3,
        stride=2,
        padding=1,
    )
    add("max_pool/2x2", lambda x: functional.max_pool2d(x, 2), 5, 6, kernel=2, stride=2, padding=0)
    add("average_pool/2x2", lambda x: functional.avg_pool2d(x, 2), 5, 6, kernel=2, stride=2, padding=0)
    add(
        "average_pool/3x3_counting_padding",
        lambda x: functional.avg_pool2d(x, 3, 2, 1),
        6,
        7,
        kernel=3,
        stride=2,
        padding=1,
        count_padding=True,
    )
    add(
        "average_pool/3x3",
        lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        6,
        7,
        kernel=3,
        stride=2,
        padding=1,
        count_padding=False,
    )
    for bins in ((1, 1), (2, 3), (6, 6)):
        add(
            f"adaptive_average_pool/{bins[0]}x{bins[1]}",
            lambda x, bins=bins: functional.adaptive_avg_pool2d(x, bins),
            7,
            8,
            size=bins,
        )


def losses(cases):
    void = 255
    shape = (2, 3, 5)
    for reduction in ("mean", "sum"):
        label = torch.from_numpy(cases.numbers.integers(0, 4, *shape))
        label[torch.from_numpy(cases.numbers.uniform(*shape)) < 0.3] = void
        logits = cases.normal(*shape, 4, deviation=2.0)

        def cross_entropy(logits, label, reduction=reduction):
            return functional.cross_entropy(
                logits.permute(0, 3, 1, 2), label.long(), ignore_index=void, reduction=reduction
            )

        cases.add(
            f"cross_entropy/{reduction}",
            cross_entropy,
            {"logits": logits, "label": label.to(torch.uint8)},
            ignore=void,
            reduction=reduction,
        )


def optimizers(cases):
    """Three steps each, with gradients gradient0 … gradient2: value0 becomes value1 … value3."""
    makers = {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01),
        "sgd_nesterov": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW([p], lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
    }
    settings = {
        "sgd": dict(learning_rate=0.1, momentum=0.9, weight_decay=0.01),
        "sgd_nesterov": dict(learning_rate=0.1, momentum=0.9, nesterov=True),
        "adamw": dict(learning_rate=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05),
    }
    for name, maker in makers.items():
        parameter = torch.nn.Parameter(cases.normal(6))
        optimizer = maker(parameter)
        case = f"optimizer/{name}"
        cases.attributes[case] = json.dumps(settings[name], sort_keys=True)
        cases.tensors[f"{case}/value0"] = parameter.detach().clone()
        for step in range(3):
            parameter.grad = cases.normal(6)
            cases.tensors[f"{case}/gradient{step}"] = parameter.grad.clone()
            optimizer.step()
            cases.tensors[f"{case}/value{step + 1}"] = parameter.detach().clone()


def main():
    options = golden.arguments(__doc__, "ops.safetensors").parse_args()
    torch.set_default_dtype(torch.float64)
    cases = Cases(seed=4)
    for group in (convolutions, norms, activations, attention, resizes, pools, losses, optimizers):
        group(cases)
    golden.save(
        options.output,
        cases.tensors,
        {"layout": "NHWC", "torch": torch.__version__, **cases.attributes},
        options.check,
    )


if __name__ == "__main__":
    main()
