// One step's share of reinforcement learning: what RssLoss and PixelRewardLoss add to forward and backward of the
// model, for 8 images of 128 × 128 or 512 × 512 pixels and 11 classes.
//   bazel run //rl/rss:rss_benchmark -- --device=cuda

#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "autograd/device/device.h"
#include "rl/rss/pixel_reward_loss.h"
#include "rl/rss/rss_loss.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;

constexpr int64_t kImages = 8, kClasses = 11;

std::vector<float> Uniform(int64_t size, uint64_t seed) {
  std::vector<float> values(size);
  for (int64_t i = 0; i < size; ++i) values[i] = autograd::UniformFloat(autograd::Philox(RandomKey(seed), i).x);
  return values;
}

Array Logits(int64_t size) {
  std::vector<float> values = Uniform(kImages * size * size * kClasses, 1);
  for (float& value : values) value *= 4;
  return Array::From({kImages, size, size, kClasses}, values);
}

// Costs nothing, so that the time is the learner's own; what a real score costs is its implementation's to measure.
class KnownScores : public HostReward {
 public:
  explicit KnownScores(int64_t maps)
      : values_(Uniform(maps * kImages, 2)), scores_(Array::From({maps, kImages}, values_)) {}
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t>, const SampledMaps&) override { return values_; }
  absl::StatusOr<Array> ScoreInPlace(std::span<const int64_t>, const Array&, int64_t, int64_t) override {
    return scores_;
  }

 private:
  std::vector<float> values_;
  Array scores_;
};

void RunRss(benchmark::State& state, const RssOptions& options) {
  const int64_t size = state.range(0);
  const Array logits = Logits(size / 4);
  std::vector<int64_t> ids(kImages);
  std::iota(ids.begin(), ids.end(), 0);
  KnownScores reward(options.group_size);
  autograd::OneRank collective;
  int64_t step = 0;
  for (auto _ : state) {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    const auto result =
        RssLoss(watched, {ids, size, size, {}, {}}, reward, options, 0, RandomKey(7).Split(step++), collective);
    tape.Backward(result->loss);
    benchmark::DoNotOptimize(tape.Gradient(watched).raw());
    autograd::Stream::Current().Synchronize();
  }
}

// 8 maps at each of four strides; logits at a quarter of the pixels.
void Pairwise(benchmark::State& state) {
  RssOptions options;
  options.scales = AllAtOnce({32, 16, 8, 4});
  RunRss(state, options);
}
BENCHMARK(Pairwise)->Arg(128)->Arg(512)->UseRealTime()->Unit(benchmark::kMillisecond);

void Naive(benchmark::State& state) {
  RssOptions options;
  options.credit = Credit::kWholeMap;
  options.scales = AllAtOnce({1});
  RunRss(state, options);
}
BENCHMARK(Naive)->Arg(128)->Arg(512)->UseRealTime()->Unit(benchmark::kMillisecond);

class AllRight : public PixelReward {
 public:
  absl::StatusOr<PixelScores> Score(std::span<const int64_t>, const Array& actions) override {
    if (!rewards_.defined()) rewards_ = Array::Full(actions.shape(), autograd::kFloat32, 1);
    return PixelScores{rewards_, {}};
  }

 private:
  Array rewards_;
};

// Logits at full resolution, 4 actions a pixel.
void PixelRewards(benchmark::State& state) {
  const Array logits = Logits(state.range(0));
  std::vector<int64_t> ids(kImages);
  AllRight reward;
  autograd::OneRank collective;
  for (auto _ : state) {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    tape.Backward(PixelRewardLoss(watched, ids, reward, {}, RandomKey(7), collective)->loss);
    benchmark::DoNotOptimize(tape.Gradient(watched).raw());
    autograd::Stream::Current().Synchronize();
  }
}
BENCHMARK(PixelRewards)->Arg(128)->Arg(512)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rl

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string device = "cpu";
  for (int i = 1; i < argc; ++i) {
    if (!absl::StartsWith(argv[i], "--device=")) return benchmark::ReportUnrecognizedArguments(argc, argv) ? 1 : 0;
    device = argv[i] + sizeof("--device=") - 1;
  }
  const absl::StatusOr<std::unique_ptr<autograd::Stream>> stream = autograd::OpenStream(device);
  if (!stream.ok()) {
    std::fprintf(stderr, "rss_benchmark: %s\n", std::string(stream.status().message()).c_str());
    return 1;
  }
  const autograd::StreamScope scope(**stream);
  benchmark::RunSpecifiedBenchmarks();
}
