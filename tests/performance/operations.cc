// Times operations by themselves on the CPU or a CUDA device, at the shapes that they have in SFPNeXt-Nano and in
// ViT-L, beside a copy of a large array: an operation that moves no more than its definition says, as fast as the copy,
// has 1 in "share_of_copy". One line of JSON for each, which compare_operations.py lays beside PyTorch's.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/autograd.h"
#include "autograd/device/device.h"
#include "autograd/ops/depthwise_conv2d_kernels.h"
#include "tests/performance/clock_and_memory.h"

ABSL_FLAG(std::string, device, "cpu", "cpu, cuda or cuda:N");
ABSL_FLAG(std::string, precision, "float32", "of the activations and of matrix products' weights: float32 or bfloat16");
ABSL_FLAG(int, size, 512, "height and width of the crops, a multiple of 32");
ABSL_FLAG(int, batch, 16, "images");
ABSL_FLAG(int, threads, 0, "CPU threads; 0 takes all cores");
ABSL_FLAG(int, product, 8192, "rows and columns of the square matrix product");
ABSL_FLAG(std::string, only, "", "only operations whose name contains this");

namespace {

using autograd::Array;
using autograd::DType;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Stream;
using autograd::Variable;

// Seconds a call: the median of rounds that are long enough to hide the clock and the wait.
double Seconds(Stream& stream, const std::function<void()>& call) {
  const auto round = [&](int calls) {
    stream.Synchronize();
    const double start = Now();
    for (int i = 0; i < calls; ++i) call();
    stream.Synchronize();
    return (Now() - start) / calls;
  };
  round(2);
  const int calls = std::clamp(static_cast<int>(std::ceil(0.02 / round(1))), 1, 1000);
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) seconds.push_back(round(calls));
  std::sort(seconds.begin(), seconds.end());
  return seconds[2];
}

class Benchmark {
 public:
  Benchmark(Stream& stream, DType dtype) : stream_(stream), dtype_(dtype) {
    const int64_t bytes = int64_t{1} << (stream.device().type == autograd::DeviceType::kCpu ? 26 : 30);
    const Array from = Array::Zeros({bytes}, autograd::kUInt8);
    Array to = Array::Zeros({bytes}, autograd::kUInt8);
    copy_ = 2e-9 * static_cast<double>(bytes) /
            Seconds(stream, [&] { stream.CopyOnDevice(to.raw(), from.raw(), static_cast<size_t>(bytes)); });
    std::printf(
        "{\"program\": \"ours\", \"operation\": \"copy\", \"shape\": \"%lld bytes\", \"gigabytes_per_second\": %.1f}\n",
        static_cast<long long>(bytes), copy_);
  }

  // Uniform in [-1, 1).
  Array Draw(const Shape& shape) {
    std::vector<float> values(static_cast<size_t>(shape.size()));
    const RandomKey key = RandomKey(++drawn_);
    // Periodic: drawing hundreds of megabytes would take longer than what is measured.
    constexpr size_t kPeriod = 1 << 16;
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = i < kPeriod ? 2 * autograd::UniformFloat(autograd::Philox(key, i).x) - 1 : values[i - kPeriod];
    const Array array = Array::From<float>(shape, values);
    return dtype_ == autograd::kFloat32 ? array : autograd::Cast(Variable(array), dtype_).array();
  }

  // `bytes` that the definition moves, and its multiplications and additions (0: not a matter of arithmetic).
  void Run(const std::string& operation, const Shape& shape, double bytes, double operations,
           const std::function<void()>& call) {
    if (!absl::StrContains(operation, absl::GetFlag(FLAGS_only))) return;
    const double seconds = Seconds(stream_, call), rate = 1e-9 * bytes / seconds;
    std::string extents;
    for (int axis = 0; axis < shape.rank(); ++axis) absl::StrAppend(&extents, axis > 0 ? "x" : "", shape[axis]);
    std::printf(
        "{\"program\": \"ours\", \"operation\": \"%s\", \"shape\": \"%s\", \"milliseconds\": %.4f, "
        "\"gigabytes_per_second\": %.1f, \"share_of_copy\": %.3f, \"teraflops\": %.3f}\n",
        operation.c_str(), extents.c_str(), 1e3 * seconds, rate, rate / copy_, 1e-12 * operations / seconds);
    std::fflush(stdout);
  }

  // The operation's value, and its value and gradients together.
  void RunBoth(const std::string& operation, const std::vector<Array>& inputs, double forward_bytes,
               double backward_bytes, double operations,
               const std::function<Variable(std::vector<Variable>&)>& function) {
    if (!absl::StrContains(operation, absl::GetFlag(FLAGS_only))) return;
    std::vector<Variable> constants(inputs.begin(), inputs.end());
    const Array y = function(constants).array();
    // A loss is its own seed.
    const Array dy = y.size() == 1 ? Array::Full(y.shape(), y.dtype(), 1) : Draw(y.shape());
    Run(operation, inputs[0].shape(), forward_bytes, operations, [&] { function(constants); });
    Run(absl::StrCat(operation, ", forward and backward"), inputs[0].shape(), forward_bytes + backward_bytes,
        3 * operations, [&] {
          autograd::Tape tape;
          std::vector<Variable> leaves;
          for (const Array& input : inputs) leaves.push_back(tape.Watch(input));
          tape.Backward(function(leaves), dy);
        });
  }

 private:
  Stream& stream_;
  const DType dtype_;
  double copy_ = 0;
  uint64_t drawn_ = 0;
};

double Bytes(const Array& array) { return static_cast<double>(array.bytes()); }

void Depthwise(Benchmark& benchmark, int64_t n, int64_t size, int64_t channels) {
  autograd::DepthwiseGeometry geometry;
  geometry.n = n, geometry.h = geometry.w = geometry.oh = geometry.ow = size, geometry.c = channels;
  geometry.kh = geometry.kw = 7;
  const Array x = benchmark.Draw({n, size, size, channels}), filter = benchmark.Draw({7, 7, channels}),
              bias = benchmark.Draw({channels});
  Array y = benchmark.Draw(x.shape()), dfilter = autograd::EmptyLike(filter), dbias = autograd::EmptyLike(bias);
  const double operations = 2.0 * 49 * static_cast<double>(x.size());
  Stream& stream = Stream::Current();
  benchmark.Run("depthwise 7x7, filter gradient", x.shape(), 2 * Bytes(x), operations,
                [&] { autograd::kernels::DepthwiseConv2dFilterGradient(stream, geometry, x, y, dfilter, dbias); });
  benchmark.Run("depthwise 7x7, input gradient", x.shape(), 2 * Bytes(x), operations,
                [&] { autograd::kernels::DepthwiseConv2dInputGradient(stream, geometry, filter, x, y); });
  benchmark.Run("depthwise 7x7", x.shape(), 2 * Bytes(x), operations,
                [&] { autograd::kernels::DepthwiseConv2dForward(stream, geometry, x, filter, bias, y); });
}

void Product(Benchmark& benchmark, int64_t rows, int64_t in, int64_t out) {
  const Array x = benchmark.Draw({rows, in}), weight = benchmark.Draw({out, in}), bias = benchmark.Draw({out});
  const double moved = Bytes(x) + Bytes(weight) + Bytes(x) / static_cast<double>(in) * static_cast<double>(out);
  benchmark.RunBoth(absl::StrCat("linear to ", out), {x, weight, bias}, moved, 2 * moved,
                    2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out),
                    [](std::vector<Variable>& v) { return autograd::Linear(v[0], v[1], v[2]); });
}

void Attention(Benchmark& benchmark, int64_t n, int64_t tokens) {
  const int64_t heads = 16, width = 64;
  const Shape shape{n, tokens, heads, width};
  const std::vector<Array> inputs = {benchmark.Draw(shape), benchmark.Draw(shape), benchmark.Draw(shape)};
  benchmark.RunBoth("attention", inputs, 4 * Bytes(inputs[0]), 8 * Bytes(inputs[0]),
                    4.0 * static_cast<double>(n * heads * tokens * tokens * width), [](std::vector<Variable>& v) {
                      return autograd::ScaledDotProductAttention(v[0], v[1], v[2], 0.125);
                    });
}

void ChannelsAndLoss(Benchmark& benchmark, int64_t n, int64_t size) {
  const int64_t side = size / 4, channels = 80, classes = 59;
  const Array x = benchmark.Draw({n, side, side, channels}), wide = benchmark.Draw({n, side, side, 4 * channels}),
              logits = benchmark.Draw({n, side, side, classes});
  const Array ones = Array::Full({channels}, autograd::kFloat32, 1),
              zeros = Array::Zeros({channels}, autograd::kFloat32),
              weight = Array::Full({4 * channels}, autograd::kFloat32, 0.5),
              bias = Array::Zeros({4 * channels}, autograd::kFloat32);
  benchmark.RunBoth("layer norm", {x, ones, zeros}, 2 * Bytes(x), 3 * Bytes(x), 0,
                    [](std::vector<Variable>& v) { return autograd::LayerNorm(v[0], v[1], v[2], 1e-6); });
  benchmark.RunBoth("GELU and GRN", {wide, weight, bias}, 2 * Bytes(wide), 3 * Bytes(wide), 0,
                    [](std::vector<Variable>& v) { return autograd::GeluGrn(v[0], v[1], v[2]); });
  benchmark.RunBoth("resize to four times", {logits}, 17 * Bytes(logits), 17 * Bytes(logits), 0,
                    [size](std::vector<Variable>& v) { return autograd::ResizeBilinear(v[0], size, size); });
  const Array labels = Array::Full({n, side, side}, autograd::kUInt8, 7);
  benchmark.RunBoth("cross entropy", {logits}, Bytes(logits), 2 * Bytes(logits), 0,
                    [labels](std::vector<Variable>& v) { return autograd::CrossEntropy(v[0], labels); });
}

int Main() {
  if (absl::GetFlag(FLAGS_threads) > 0) autograd::SetThreadCount(absl::GetFlag(FLAGS_threads));
  const absl::StatusOr<std::unique_ptr<Stream>> stream = autograd::OpenStream(absl::GetFlag(FLAGS_device));
  if (!stream.ok()) {
    std::fprintf(stderr, "operations: --device: %s\n", std::string(stream.status().message()).c_str());
    return 1;
  }
  const std::string precision = absl::GetFlag(FLAGS_precision);
  if (precision != "float32" && precision != "bfloat16") {
    std::fprintf(stderr, "operations: --precision=%s is not float32 or bfloat16\n", precision.c_str());
    return 1;
  }
  const int64_t batch = absl::GetFlag(FLAGS_batch), size = absl::GetFlag(FLAGS_size),
                product = absl::GetFlag(FLAGS_product);
  if (batch < 1 || size < 32 || size % 32 != 0 || product < 1) {
    std::fprintf(stderr, "operations: --batch and --product must be positive and --size a multiple of 32\n");
    return 1;
  }
  autograd::StreamScope scope(**stream);
  Benchmark benchmark(**stream, precision == "float32" ? autograd::kFloat32 : autograd::kBFloat16);
  for (int level = 0; level < 4; ++level) Depthwise(benchmark, batch, size >> (2 + level), int64_t{80} << level);
  for (int level = 0; level < 4; ++level) {
    const int64_t side = size >> (2 + level), channels = int64_t{80} << level;
    Product(benchmark, batch * side * side, channels, 4 * channels);
  }
  Product(benchmark, product, product, product);
  Attention(benchmark, batch, size / 16 * (size / 16));
  ChannelsAndLoss(benchmark, batch, size);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("times operations by themselves; compare_operations.py lays PyTorch's beside them");
  absl::ParseCommandLine(argc, argv);
  return Main();
}
