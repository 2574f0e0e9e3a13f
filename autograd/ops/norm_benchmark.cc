// Throughput of the normalisations and the loss on sizes of ConvNeXt V2 at 512 × 512, in GB/s of the bytes that the
// definition must move: x and y forward, x, dy and dx backward (the loss: x forward, x and dx backward). Run: bazel run
// //autograd/ops:norm_benchmark

#include <benchmark/benchmark.h>

#include <functional>

#include "autograd/ops/batch_norm.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/grn.h"
#include "autograd/ops/layer_norm.h"
#include "autograd/runtime/random.h"

namespace autograd {
namespace {

// Uniform values in [−2, 2).
Array Draw(const Shape& shape, DType dtype, uint64_t seed) {
  std::vector<double> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 4.0 * UniformFloat(Philox(RandomKey(seed), i).x) - 2.0;
  }
  return VisitFloating("Draw", dtype, [&]<typename T>(T) {
    std::vector<T> rounded;
    for (double value : values) rounded.push_back(static_cast<T>(static_cast<ComputeType<T>>(value)));
    return Array::From(shape, rounded);
  });
}

using Op = std::function<Variable(const Variable& x)>;

// How many times the size of x the definition moves.
struct Streams {
  int forward = 2, backward = 3;
};

// The first call takes memory from the system, which later ones find in the allocator: it is not timed.
void Forward(benchmark::State& state, const Array& x, Streams streams, const Op& op) {
  op(x);
  for ([[maybe_unused]] auto iteration : state) benchmark::DoNotOptimize(op(x).array().raw());
  state.SetBytesProcessed(state.iterations() * streams.forward * x.bytes());
}

void ForwardAndBackward(benchmark::State& state, const Array& x, Streams streams, const Op& op) {
  const Array y = op(x).array(), dy = Array::Full(y.shape(), y.dtype(), 0.5);
  auto step = [&] {
    Tape tape;
    const Variable leaf = tape.Watch(x);
    tape.Backward(op(leaf), dy);
    benchmark::DoNotOptimize(tape.Gradient(leaf).raw());
  };
  step();
  for ([[maybe_unused]] auto iteration : state) step();
  state.SetBytesProcessed(state.iterations() * (streams.forward + streams.backward) * x.bytes());
}

void Register(const std::string& name, const Shape& shape, DType dtype, const Op& op, Streams streams = {}) {
  std::string suffix = std::string("/") + Name(dtype) + "/";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (axis > 0) suffix += "x";
    suffix += std::to_string(shape[axis]);
  }
  const Array x = Draw(shape, dtype, 1);
  for (const bool backward : {false, true}) {
    benchmark::RegisterBenchmark((name + (backward ? "_forward_and_backward" : "_forward") + suffix).c_str(),
                                 backward ? ForwardAndBackward : Forward, x, streams, op)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

// Parameters live as long as the program.
Parameter& Leaf(const Shape& shape, uint64_t seed) {
  static std::vector<std::unique_ptr<Parameter>> leaves;
  leaves.push_back(std::make_unique<Parameter>(Draw(shape, kFloat32, seed)));
  return *leaves.back();
}

void RegisterAll() {
  for (const DType dtype : {kFloat32, kBFloat16}) {
    for (const Shape& shape : {Shape{2, 128, 128, 40}, Shape{2, 32, 32, 160}, Shape{2, 16, 16, 768}}) {
      const int64_t c = shape[-1];
      Parameter &gamma = Leaf({c}, 2), &beta = Leaf({c}, 3), &weight = Leaf({4 * c}, 4), &bias = Leaf({4 * c}, 5);
      Register("layer_norm", shape, dtype,
               [&gamma, &beta](const Variable& x) { return LayerNorm(x, gamma, beta, 1e-6); });
      const Shape wide{shape[0], shape[1], shape[2], 4 * c};
      Register("gelu_grn", wide, dtype, [&weight, &bias](const Variable& x) { return GeluGrn(x, weight, bias); });
    }
    const Shape shape{2, 64, 64, 256};
    Parameter &gamma = Leaf({256}, 2), &beta = Leaf({256}, 3);
    Register("batch_norm_relu", shape, dtype, [&gamma, &beta](const Variable& x) {
      static Array mean = Array::Zeros({256}, kFloat32), variance = Array::Full({256}, kFloat32, 1);
      return BatchNorm(x, gamma, beta, mean, variance, true, {.relu = true});
    });
    for (const int64_t classes : {11, 150}) {
      const Array labels = Array::Full({2, 256, 256}, kUInt8, 7);
      Register(
          "cross_entropy", {2, 256, 256, classes}, dtype,
          [labels](const Variable& logits) { return CrossEntropy(logits, labels); }, Streams{1, 2});
    }
  }
}

const bool registered = (RegisterAll(), true);

}  // namespace
}  // namespace autograd
