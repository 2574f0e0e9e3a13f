// What products gain by a second thread: milliseconds on one thread and on two, the ratio, and GFLOP/s on two, at
// shapes of networks that are evaluated (SegFormer-B1 and SFPNeXt-Nano on images of 128² and 512², with kept weights)
// and trained (SFPNeXt-Nano, forward and backward). Evenly cut products come to nearly two.
//
//   bazel run //autograd/ops:thread_scaling_benchmark              in float32
//   bazel run //autograd/ops:thread_scaling_benchmark -- bfloat16

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string_view>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/core/weight_layouts.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/conv2d.h"
#include "autograd/ops/linear.h"
#include "autograd/runtime/parallel.h"
#include "autograd/runtime/random.h"

namespace autograd {
namespace {

Array Draw(const Shape& shape, DType dtype, uint64_t seed) {
  std::vector<float> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = 2.0f * UniformFloat(Philox(RandomKey(seed), i).x) - 1.0f;
  return Cast(Array::From(shape, values), dtype).array();
}

// By the clock on the wall: threads wait for one another.
double BestMilliseconds(const std::function<void()>& run) {
  run();
  double best = 1e9, total = 0;
  for (int repeat = 0; repeat < 10 || (total < 100 && repeat < 200); ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const double taken = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, taken);
    total += taken;
  }
  return best;
}

void PrintTimes(double operations, const std::function<void()>& run) {
  double taken[2];
  for (const int threads : {1, 2}) {
    SetThreadCount(threads);
    taken[threads - 1] = BestMilliseconds(run);
  }
  std::printf("  %8.3f %8.3f  %5.2f  %6.0f\n", taken[0], taken[1], taken[0] / taken[1], operations / taken[1] * 1e-6);
  std::fflush(stdout);
}

struct LinearShape {
  int64_t rows, inputs, outputs;
  double operations() const { return 2.0 * static_cast<double>(rows * inputs * outputs); }
};

void EvaluateLinear(DType dtype, const LinearShape& shape) {
  const auto [rows, inputs, outputs] = shape;
  const Array x = Draw({rows, inputs}, dtype, 1), weight = Draw({outputs, inputs}, dtype, 2),
              bias = Draw({outputs}, dtype, 3);
  WeightLayouts layouts;
  std::printf("linear, %5ld x %4ld -> %4ld             ", rows, inputs, outputs);
  PrintTimes(shape.operations(), [&] { Linear(x, weight, bias, Activation::kNone, &layouts); });
}

void TrainLinear(DType dtype, const LinearShape& shape) {
  const auto [rows, inputs, outputs] = shape;
  const Array x = Draw({rows, inputs}, dtype, 1), weight = Draw({outputs, inputs}, dtype, 2),
              bias = Draw({outputs}, dtype, 3), dy = Draw({rows, outputs}, dtype, 4);
  std::printf("linear, both passes, %5ld x %4ld -> %4ld", rows, inputs, outputs);
  PrintTimes(3 * shape.operations(), [&] {
    Tape tape;
    tape.Backward(Linear(tape.Watch(x), tape.Watch(weight), tape.Watch(bias)), dy);
  });
}

struct ConvolutionShape {
  int64_t size, channels, outputs, kernel, stride, padding;
};

void EvaluateConvolution(DType dtype, const ConvolutionShape& shape) {
  const auto [size, channels, outputs, kernel, stride, padding] = shape;
  const Array x = Draw({1, size, size, channels}, dtype, 1),
              filter = Draw({outputs, kernel, kernel, channels}, dtype, 2), bias = Draw({outputs}, dtype, 3);
  WeightLayouts layouts;
  Conv2dOptions options;
  options.stride = stride;
  options.padding = padding;
  options.layouts = &layouts;
  const int64_t extent = (size + 2 * padding - kernel) / stride + 1;
  std::printf("%ld x %ld, stride %ld, %3ld x %3ld, %4ld -> %3ld    ", kernel, kernel, stride, size, size, channels,
              outputs);
  PrintTimes(2.0 * static_cast<double>(extent * extent * outputs * kernel * kernel * channels),
             [&] { Conv2d(x, filter, bias, options); });
}

}  // namespace
}  // namespace autograd

int main(int argc, char** argv) {
  using autograd::ConvolutionShape;
  using autograd::LinearShape;
  const bool bfloat16 = argc > 1 && std::string_view(argv[1]) == "bfloat16";
  const autograd::DType dtype = bfloat16 ? autograd::kBFloat16 : autograd::kFloat32;
  std::printf("%-40s  1 thread  2, ms  ratio  GFLOP/s\n", bfloat16 ? "bfloat16" : "float32");
  for (const LinearShape& shape :
       {LinearShape{1024, 64, 64}, {1024, 64, 256},  {1024, 256, 64},   {256, 128, 128},   {256, 128, 512},
        {256, 512, 128},           {64, 320, 320},   {64, 320, 1280},   {64, 1280, 320},   {16, 512, 512},
        {16, 512, 2048},           {16, 2048, 512},  {1024, 80, 320},   {1024, 320, 80},   {256, 160, 640},
        {256, 640, 160},           {16, 640, 2560},  {16384, 64, 64},   {16384, 64, 256},  {16384, 256, 64},
        {4096, 128, 512},          {4096, 512, 128}, {1024, 320, 1280}, {1024, 1280, 320}, {256, 512, 2048}})
    EvaluateLinear(dtype, shape);
  for (const ConvolutionShape& shape : {ConvolutionShape{128, 3, 64, 7, 4, 3},
                                        {32, 64, 64, 8, 8, 0},
                                        {32, 64, 128, 3, 2, 1},
                                        {16, 128, 128, 4, 4, 0},
                                        {16, 128, 320, 3, 2, 1},
                                        {8, 320, 320, 2, 2, 0},
                                        {8, 320, 512, 3, 2, 1},
                                        {32, 1024, 256, 1, 1, 0},
                                        {128, 3, 80, 4, 4, 0},
                                        {32, 80, 160, 2, 2, 0},
                                        {16, 160, 320, 2, 2, 0},
                                        {4, 256, 256, 3, 1, 1},
                                        {8, 256, 256, 3, 1, 1},
                                        {16, 256, 256, 3, 1, 1},
                                        {32, 256, 256, 3, 1, 1},
                                        {64, 256, 256, 3, 1, 1}})
    EvaluateConvolution(dtype, shape);
  for (const LinearShape& shape : {LinearShape{8192, 80, 320},
                                   {8192, 320, 80},
                                   {2048, 160, 640},
                                   {2048, 640, 160},
                                   {512, 320, 1280},
                                   {512, 1280, 320},
                                   {128, 640, 2560},
                                   {128, 2560, 640}})
    TrainLinear(dtype, shape);
}
