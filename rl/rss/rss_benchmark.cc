// One step's share of reinforcement learning: what RssLoss and PixelRewardLoss add to forward and backward of the model.
//   bazel run //rl/rss:rss_benchmark

#include <benchmark/benchmark.h>

#include <map>
#include <numeric>
#include <vector>

#include "rl/rss/hidden_labels.h"
#include "rl/rss/pixel_reward_loss.h"
#include "rl/rss/rss_loss.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;

constexpr int64_t kImages = 8, kSize = 128, kClasses = 11;

Array Logits(int64_t size) {
  std::vector<float> values(kImages * size * size * kClasses);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 4 * autograd::UniformFloat(autograd::Philox(RandomKey(1), i).x);
  return Array::From({kImages, size, size, kClasses}, values);
}

// Costs nothing, so that the time is the learner's own; what a real score costs is its implementation's to measure.
class FirstCells : public Reward {
 public:
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t>, const SampledMaps& maps) override {
    std::vector<float> scores;
    for (int64_t i = 0; i < maps.count; ++i) scores.push_back(static_cast<float>(maps.Map(i)[0] + 2 * maps.Map(i)[1]));
    return scores;
  }
};

void RunRss(benchmark::State& state, const RssOptions& options) {
  const Array logits = Logits(kSize / 4);
  std::vector<int64_t> ids(kImages);
  std::iota(ids.begin(), ids.end(), 0);
  FirstCells reward;
  autograd::OneRank collective;
  int64_t step = 0;
  for (auto _ : state) {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    const auto result =
        RssLoss(watched, {ids, kSize, kSize, {}, {}}, reward, options, 0, RandomKey(7).Split(step++), collective);
    tape.Backward(result->loss);
    benchmark::DoNotOptimize(tape.Gradient(watched).raw());
  }
}

// 8 images of 128 × 128, logits 32 × 32 of 11 classes, 8 maps at each of 4 × 4, 8 × 8, 16 × 16 and 32 × 32 cells.
void Pairwise(benchmark::State& state) {
  RssOptions options;
  options.scales = AllAtOnce({32, 16, 8, 4});
  RunRss(state, options);
}
BENCHMARK(Pairwise)->Unit(benchmark::kMillisecond);

void Naive(benchmark::State& state) {
  RssOptions options;
  options.credit = Credit::kWholeMap;
  options.scales = AllAtOnce({1});
  RunRss(state, options);
}
BENCHMARK(Naive)->Unit(benchmark::kMillisecond);

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
  const Array logits = Logits(kSize);
  std::vector<int64_t> ids(kImages);
  AllRight reward;
  autograd::OneRank collective;
  for (auto _ : state) {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    tape.Backward(PixelRewardLoss(watched, ids, reward, {}, RandomKey(7), collective)->loss);
    benchmark::DoNotOptimize(tape.Gradient(watched).raw());
  }
}
BENCHMARK(PixelRewards)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rl
