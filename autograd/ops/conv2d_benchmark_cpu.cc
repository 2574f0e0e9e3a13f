// The ways in which a 3×3 convolution is computed, side by side at shapes of ResNet, a pyramid and heads, one thread:
// GFLOP/s of the definition's multiplications, the best of several, and the error (the root of the mean square, over
// that of the results) against float64. The last column is oneDNN's in bfloat16, where the CPU multiplies that.
//
//   bazel run //autograd/ops:conv2d_benchmark

#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/best_seconds.h"
#include "autograd/ops/conv2d_geometry.h"
#include "autograd/ops/conv2d_onednn_cpu.h"
#include "autograd/ops/conv2d_patches_cpu.h"
#include "autograd/ops/conv2d_winograd_cpu.h"
#include "autograd/runtime/parallel.h"
#include "autograd/runtime/random.h"

namespace autograd {
namespace {

std::vector<float> Draw(int64_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = 2.0f * UniformFloat(Philox(RandomKey(seed), i).x) - 1.0f;
  return values;
}

std::vector<BFloat16> InBFloat16(const std::vector<float>& values) { return {values.begin(), values.end()}; }

std::vector<double> InDouble(const std::vector<float>& values) { return {values.begin(), values.end()}; }

template <typename T>
double Error(const std::vector<T>& measured, const std::vector<double>& exact) {
  double errors = 0, squares = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double error = static_cast<double>(static_cast<float>(measured[i])) - exact[i];
    errors += error * error;
    squares += exact[i] * exact[i];
  }
  return std::sqrt(errors / squares);
}

template <typename T>
void PrintWay(const char* way, const Conv2dGeometry& g, const std::function<void()>& run, const std::vector<T>& result,
              const std::vector<double>& exact) {
  const double seconds = BestSeconds(run);
  std::printf("  %-9s %6.1f  %.1e", way, g.operations() / seconds * 1e-9, Error(result, exact));
}

void Compare(int64_t n, int64_t size, int64_t c, int64_t o, int64_t dilation) {
  Conv2dGeometry g;
  g.n = n, g.h = g.w = g.oh = g.ow = size, g.c = c, g.o = o, g.kh = g.kw = 3, g.dilation = g.padding = dilation;
  const std::vector<float> x = Draw(n * size * size * c, 1), filter = Draw(o * 9 * c, 2),
                           dy = Draw(n * size * size * o, 3);
  const std::vector<double> x64 = InDouble(x), filter64 = InDouble(filter), dy64 = InDouble(dy);
  const std::vector<BFloat16> x16 = InBFloat16(x), filter16 = InBFloat16(filter), dy16 = InBFloat16(dy);
  std::vector<BFloat16> y16(dy.size()), dx16(x.size());
  std::vector<float> y(dy.size()), dx(x.size()), dfilter(filter.size());
  std::vector<double> exact_y(dy.size()), exact_dx(x.size()), exact_dfilter(filter.size());
  cpu::PatchForward<double>(g, x64.data(), filter64.data(), nullptr, Activation::kNone, nullptr, exact_y.data());
  cpu::PatchInputGradient<double>(g, filter64.data(), dy64.data(), exact_dx.data());
  cpu::PatchFilterGradient<double>(g, x64.data(), dy64.data(), exact_dfilter.data());

  std::printf("%ld x %ld x %ld, %ld -> %ld, dilation %ld", n, size, size, c, o, dilation);
  std::printf("%s\n   y ", cpu::WinogradPays(Conv2dProduct::kForward, g) ? "" : " (Winograd does not pay)");
  PrintWay(
      "patches", g,
      [&] { cpu::PatchForward<float>(g, x.data(), filter.data(), nullptr, Activation::kNone, nullptr, y.data()); }, y,
      exact_y);
  PrintWay(
      "oneDNN", g,
      [&] { cpu::OneDnnConv2dForward<float>(g, x.data(), filter.data(), nullptr, false, nullptr, y.data()); }, y,
      exact_y);
  PrintWay(
      "Winograd", g,
      [&] { cpu::WinogradForward<float>(g, x.data(), filter.data(), nullptr, false, nullptr, y.data()); }, y, exact_y);
  if (cpu::OneDnnHasBFloat16()) {
    PrintWay(
        "bfloat16", g,
        [&] {
          cpu::OneDnnConv2dForward<BFloat16>(g, x16.data(), filter16.data(), nullptr, false, nullptr, y16.data());
        },
        y16, exact_y);
  }
  std::printf("\n   dx");
  PrintWay(
      "patches", g, [&] { cpu::PatchInputGradient<float>(g, filter.data(), dy.data(), dx.data()); }, dx, exact_dx);
  PrintWay(
      "oneDNN", g, [&] { cpu::OneDnnConv2dInputGradient<float>(g, filter.data(), dy.data(), dx.data()); }, dx,
      exact_dx);
  PrintWay(
      "Winograd", g, [&] { cpu::WinogradInputGradient<float>(g, filter.data(), dy.data(), dx.data()); }, dx, exact_dx);
  if (cpu::OneDnnHasBFloat16()) {
    PrintWay(
        "bfloat16", g, [&] { cpu::OneDnnConv2dInputGradient<BFloat16>(g, filter16.data(), dy16.data(), dx16.data()); },
        dx16, exact_dx);
  }
  std::printf("\n   df");
  PrintWay(
      "patches", g, [&] { cpu::PatchFilterGradient<float>(g, x.data(), dy.data(), dfilter.data()); }, dfilter,
      exact_dfilter);
  std::printf("  %-9s %6s  %7s", "", "", "");
  PrintWay(
      "Winograd", g, [&] { cpu::WinogradFilterGradient<float>(g, x.data(), dy.data(), dfilter.data()); }, dfilter,
      exact_dfilter);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace autograd

int main() {
  autograd::SetThreadCount(1);
  autograd::Compare(2, 64, 64, 64, 1);
  autograd::Compare(2, 32, 128, 128, 1);
  autograd::Compare(2, 32, 320, 80, 1);
  autograd::Compare(2, 32, 256, 256, 1);
  autograd::Compare(2, 30, 256, 256, 2);
  autograd::Compare(2, 30, 512, 512, 4);
  autograd::Compare(2, 16, 512, 512, 1);
  autograd::Compare(8, 8, 640, 256, 1);
  autograd::Compare(2, 30, 4096, 512, 1);
  autograd::Compare(2, 64, 256, 256, 6);
  autograd::Compare(2, 64, 2048, 256, 12);
}
