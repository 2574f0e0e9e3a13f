// Scoring 8 maps of each of 8 images of 128 × 128 pixels with 11 classes, by the stride of the maps' grid.
//   bazel run //seg/rewards:mean_iou_reward_benchmark

#include <benchmark/benchmark.h>

#include <vector>

#include "autograd/runtime/random.h"
#include "seg/rewards/mean_iou_reward.h"

namespace seg {
namespace {

void Score(benchmark::State& state) {
  constexpr int64_t kSize = 128, kImages = 8, kMaps = 8;
  constexpr int kClasses = 11;
  const int64_t grid = kSize / state.range(0);
  auto draw = [](uint64_t seed, size_t i) {
    return static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(autograd::RandomKey(seed), i).x, kClasses));
  };
  std::vector<uint8_t> truth(kImages * kSize * kSize), maps(kMaps * kImages * grid * grid);
  for (size_t i = 0; i < truth.size(); ++i) truth[i] = draw(1, i / 64);
  for (size_t i = 0; i < maps.size(); ++i) maps[i] = draw(2, i);
  std::vector<const uint8_t*> truths;
  for (int64_t i = 0; i < kMaps * kImages; ++i) truths.push_back(truth.data() + i % kImages * kSize * kSize);
  for (auto _ : state) {
    benchmark::DoNotOptimize(MeanIouOfMaps(truths, maps.data(), kSize, kSize, grid, grid, kClasses, ClassSet::kTruth));
  }
}
BENCHMARK(Score)->Arg(32)->Arg(16)->Arg(8)->Arg(4)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg
