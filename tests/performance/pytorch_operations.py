"""Times the operations of operations.cc in PyTorch (eager), at the same shapes: one line of JSON for each.

  python3 pytorch_operations.py --device=cuda --precision=bfloat16

Images are channels last. Channels come last in the printed shapes, as in ours.
"""

import argparse
import json
import math
import os
import statistics
import time

import torch
import torch.nn.functional as F


class Benchmark:
    def __init__(self, options):
        self.options = options
        self.device = torch.device(options.device)
        self.dtype = torch.bfloat16 if options.precision == "bfloat16" else torch.float32

    def draw(self, *shape):
        return torch.rand(shape, device=self.device).mul_(2).sub_(1).to(self.dtype)

    def image(self, n, height, width, channels):
        return self.draw(n, height, width, channels).permute(0, 3, 1, 2)  # channels last in memory

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, call):
        def round_of(calls):
            self.synchronize()
            begin = time.perf_counter()
            for _ in range(calls):
                call()
            self.synchronize()
            return (time.perf_counter() - begin) / calls

        round_of(2)
        calls = min(max(math.ceil(0.02 / round_of(1)), 1), 1000)
        return statistics.median(round_of(calls) for _ in range(5))

    def run(self, operation, shape, call):
        if self.options.only not in operation:
            return
        with torch.no_grad():
            milliseconds = 1e3 * self.seconds(call)
        self.print(operation, shape, milliseconds)

    def run_both(self, operation, shape, inputs, function):
        if self.options.only not in operation:
            return
        self.run(operation, shape, lambda: function(*inputs))
        leaves = [x.detach().requires_grad_() for x in inputs]
        with torch.no_grad():
            dy = torch.rand_like(function(*inputs))

        def step():
            torch.autograd.grad(function(*leaves), leaves, dy)

        self.print(operation + ", forward and backward", shape, 1e3 * self.seconds(step))

    @staticmethod
    def print(operation, shape, milliseconds):
        print(json.dumps({"program": "pytorch", "operation": operation, "shape": "x".join(map(str, shape)),
                          "milliseconds": round(milliseconds, 4)}), flush=True)


def depthwise(benchmark, n, size, channels):
    shape = (n, size, size, channels)
    x, dy = benchmark.image(*shape), benchmark.image(*shape)
    weight, bias = benchmark.draw(channels, 1, 7, 7), benchmark.draw(channels)

    def backward(mask):
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, weight, [channels], [1, 1], [3, 3], [1, 1], False, [0, 0], channels, mask)

    benchmark.run("depthwise 7x7, filter gradient", shape, backward([False, True, True]))
    benchmark.run("depthwise 7x7, input gradient", shape, backward([True, False, False]))
    benchmark.run("depthwise 7x7", shape, lambda: F.conv2d(x, weight, bias, padding=3, groups=channels))


def product(benchmark, rows, inputs, outputs):
    tensors = [benchmark.draw(rows, inputs), benchmark.draw(outputs, inputs), benchmark.draw(outputs)]
    benchmark.run_both(f"linear to {outputs}", (rows, inputs), tensors, F.linear)


def attention(benchmark, n, tokens):
    shape = (n, tokens, 16, 64)
    benchmark.run_both("attention", shape, [benchmark.draw(*shape) for _ in range(3)], lambda q, k, v: (
        F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), scale=0.125).transpose(1, 2)))


def gelu_grn(x, weight, bias):
    # As timm has it: channels last, statistics over height and width.
    x = F.gelu(x)
    norm = x.norm(p=2, dim=(1, 2), keepdim=True)
    return x + torch.addcmul(bias, weight, x * (norm / (norm.mean(dim=-1, keepdim=True) + 1e-6)))


def channels_and_loss(benchmark, n, size):
    side, channels, classes = size // 4, 80, 59
    like = {"device": benchmark.device, "dtype": benchmark.dtype}
    narrow, wide, logits = (n, side, side, channels), (n, side, side, 4 * channels), (n, side, side, classes)
    benchmark.run_both("layer norm", narrow, [benchmark.draw(*narrow), torch.ones(channels, **like), torch.zeros(channels, **like)],
                       lambda x, weight, bias: F.layer_norm(x, (channels,), weight, bias, 1e-6))
    benchmark.run_both("GELU and GRN", wide,
                       [benchmark.draw(*wide), torch.full((4 * channels,), 0.5, **like), torch.zeros(4 * channels, **like)], gelu_grn)
    image = benchmark.image(*logits)
    benchmark.run_both("resize to four times", logits, [image],
                       lambda x: F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False))
    labels = torch.full((n, side, side), 7, device=benchmark.device)
    benchmark.run_both("cross entropy", logits, [image], lambda x: F.cross_entropy(x, labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--size", type=int, default=512, help="height and width of the crops, a multiple of 32")
    parser.add_argument("--batch", type=int, default=16, help="images")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 takes all cores")
    parser.add_argument("--product", type=int, default=8192, help="rows and columns of the square matrix product")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or os.cpu_count())
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    benchmark = Benchmark(options)
    levels = [(options.size >> (2 + level), 80 << level) for level in range(4)]
    for side, channels in levels:
        depthwise(benchmark, options.batch, side, channels)
    for side, channels in levels:
        product(benchmark, options.batch * side * side, channels, 4 * channels)
    product(benchmark, options.product, options.product, options.product)
    attention(benchmark, options.batch, (options.size // 16) ** 2)
    channels_and_loss(benchmark, options.batch, options.size)


if __name__ == "__main__":
    main()
