// Depthwise 7×7 at ConvNeXt's shapes, one thread: our tiles and oneDNN beside what the core could do, measured in the
// same run: the multiply-add units alone, and a copy of the same tensors. Times are CPU times of the thread, best of
// several.
//
//   bazel run //autograd/ops:depthwise_benchmark

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

#include "autograd/core/array_kernels.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/best_seconds.h"
#include "autograd/ops/depthwise_conv2d_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd {
namespace {

using dnnl::memory;

// Multiply-adds on registers only, in GFLOP/s.
double PeakRate() {
  typedef float Float8 __attribute__((vector_size(32)));
  constexpr int kSums = 12, kRounds = 1 << 20;
  const double seconds = BestSeconds([] {
    Float8 sums[kSums] = {}, factor = Float8{} + 0.999f, term = Float8{} + 0.001f;
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) asm volatile("" : "+x"(sums[i]));  // else all sums are known to be one
    for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
      for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * factor + term;
      asm volatile("" : "+x"(factor));
    }
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) asm volatile("" ::"x"(sums[i]));
  });
  return 16.0 * kSums * kRounds / seconds * 1e-9;
}

struct OneDnnSeconds {
  double forward, input_gradient, filter_gradient;
};

OneDnnSeconds TimeOneDnn(const DepthwiseGeometry& g) {
  const memory::desc image({g.n, g.c, g.h, g.w}, memory::data_type::f32, memory::format_tag::nhwc);
  const memory::desc filter({g.c, 1, 1, g.kh, g.kw}, memory::data_type::f32, memory::format_tag::any),
      bias({g.c}, memory::data_type::f32, memory::format_tag::x);
  const memory::dims one{1, 1}, padding{g.padding_h(), g.padding_w()};
  const auto algorithm = dnnl::algorithm::convolution_direct;
  cpu::UseOneOpenMpThread();
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, algorithm, image, filter, bias, image, one, padding, padding},
      cpu::UserScratchpad(), cpu::OneDnnEngine());
  const dnnl::convolution_backward_data::primitive_desc input({algorithm, image, filter, image, one, padding, padding},
                                                              cpu::UserScratchpad(), cpu::OneDnnEngine(), forward);
  const dnnl::convolution_backward_weights::primitive_desc weights(
      {algorithm, image, filter, bias, image, one, padding, padding}, cpu::UserScratchpad(), cpu::OneDnnEngine(),
      forward);
  const auto finish = [](const auto& description, const memory::desc& format) {
    return cpu::OneDnnPrimitive{dnnl::primitive(description.get()), format, description.scratchpad_desc(),
                                description.impl_info_str()};
  };
  const auto f = finish(forward, forward.weights_desc()), d = finish(input, input.weights_desc()),
             w = finish(weights, weights.diff_weights_desc());
  const Array x = Array::Zeros({g.n, g.h, g.w, g.c}, kFloat32), y = Array::Zeros(x.shape(), kFloat32),
              b = Array::Zeros({g.c}, kFloat32);
  const Array taps = Array::Zeros(
      {static_cast<int64_t>(std::max({f.weights.get_size(), d.weights.get_size(), w.weights.get_size()}))}, kUInt8);
  return {BestSeconds([&] {
            cpu::Execute(f, {{DNNL_ARG_SRC, image, x.raw()},
                             {DNNL_ARG_WEIGHTS, f.weights, taps.raw()},
                             {DNNL_ARG_BIAS, bias, b.raw()},
                             {DNNL_ARG_DST, image, y.raw()}});
          }),
          BestSeconds([&] {
            cpu::Execute(d, {{DNNL_ARG_DIFF_SRC, image, x.raw()},
                             {DNNL_ARG_WEIGHTS, d.weights, taps.raw()},
                             {DNNL_ARG_DIFF_DST, image, y.raw()}});
          }),
          BestSeconds([&] {
            cpu::Execute(w, {{DNNL_ARG_SRC, image, x.raw()},
                             {DNNL_ARG_DIFF_WEIGHTS, w.weights, taps.raw()},
                             {DNNL_ARG_DIFF_BIAS, bias, b.raw()},
                             {DNNL_ARG_DIFF_DST, image, y.raw()}});
          })};
}

void Run(int64_t n, int64_t size, int64_t channels) {
  DepthwiseGeometry g;
  g.n = n, g.h = g.w = g.oh = g.ow = size, g.c = channels, g.kh = g.kw = 7;
  const Array x = Array::Full({n, size, size, channels}, kFloat32, 0.5),
              filter = Array::Full({7, 7, channels}, kFloat32, 0.01), bias = Array::Zeros({channels}, kFloat32);
  Array y = EmptyLike(x), dfilter = EmptyLike(filter), dbias = EmptyLike(bias);
  Stream& stream = Stream::Cpu();
  const double forward = BestSeconds([&] { kernels::DepthwiseConv2dForward(stream, g, x, filter, bias, y); });
  const double input = BestSeconds([&] { kernels::DepthwiseConv2dInputGradient(stream, g, filter, x, y); });
  const double weights = BestSeconds([&] { kernels::DepthwiseConv2dFilterGradient(stream, g, x, y, dfilter, dbias); });
  const double copy = BestSeconds([&] { stream.CopyOnDevice(y.raw(), x.raw(), x.bytes()); });
  const OneDnnSeconds other = TimeOneDnn(g);
  const double operations = 2.0 * 49 * static_cast<double>(x.size()) * 1e-9;
  std::printf("%3lld x %3lld^2 x %3lld | %6.1f %6.1f %6.1f | %6.1f %6.1f %6.1f | %6.1f\n", static_cast<long long>(n),
              static_cast<long long>(size), static_cast<long long>(channels), operations / forward, operations / input,
              operations / weights, operations / other.forward, operations / other.input_gradient,
              operations / other.filter_gradient, operations / copy);
  std::fflush(stdout);
}

}  // namespace
}  // namespace autograd

int main() {
  autograd::SetThreadCount(1);
  std::printf("multiply-add units: %.1f GFLOP/s\n", autograd::PeakRate());
  std::printf("7x7 depthwise    |   forward, input, filter |  oneDNN: the same three | limit of a copy   (GFLOP/s)\n");
  autograd::Run(4, 128, 40);
  autograd::Run(4, 64, 80);
  autograd::Run(4, 32, 160);
  autograd::Run(4, 16, 320);
  autograd::Run(8, 8, 640);
  autograd::Run(2, 56, 96);
  autograd::Run(2, 14, 384);
  autograd::Run(2, 64, 512);
  std::printf("multiply-add units: %.1f GFLOP/s\n", autograd::PeakRate());
  return 0;
}
