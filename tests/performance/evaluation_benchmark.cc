// Images a second of experiments::Evaluate on the CPU with the smallest network, where everything beside the network
// weighs most: whole images, sliding windows, and several scales with mirror images. The images are JPEG files of
// CamVid's size in memory; the second argument is how many threads decode them ahead.
//
//   bazel run //tests/performance:evaluation_benchmark -- --benchmark_repetitions=5
//       --benchmark_enable_random_interleaving=true

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "autograd/autograd.h"
#include "data/data.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/networks.h"

namespace experiments {
namespace {

constexpr int kImages = 16, kHeight = 360, kWidth = 480, kClasses = 12;

class JpegDataset : public data::Dataset {
 public:
  JpegDataset() {
    const auto scenes =
        data::SceneDataset::Create("val", {.class_count = kClasses, .height = kHeight, .width = kWidth});
    info_ = (*scenes)->info();
    for (int64_t i = 0; i < kImages; ++i) {
      data::Sample sample = (*scenes)->Load(i).value();
      files_.push_back(data::EncodeJpeg(sample.image));
      labels_.push_back(std::move(sample.label));
    }
  }
  const data::DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return kImages; }
  absl::StatusOr<data::Sample> Load(int64_t index) const override {
    absl::StatusOr<data::Image> image = data::DecodeJpeg(files_[index]);
    if (!image.ok()) return image.status();
    return data::Sample{*std::move(image), labels_[index], absl::StrCat(index), index};
  }

 private:
  data::DatasetInfo info_;
  std::vector<std::string> files_;
  std::vector<data::LabelMap> labels_;
};

void Run(benchmark::State& state, const InferenceOptions& options) {
  static const JpegDataset dataset;
  const std::unique_ptr<Network> network = MakeNetwork("sfpnext_micro", kClasses, autograd::RandomKey(1)).value();
  for (auto _ : state) {
    Scorer scorer(kClasses);
    const EvaluationRun run{.reader_threads = static_cast<int>(state.range(0))};
    benchmark::DoNotOptimize(Evaluate(*network, dataset, options, scorer, run).value().images);
  }
  state.SetItemsProcessed(state.iterations() * kImages);
}

void WholeImages(benchmark::State& state) { Run(state, {}); }
void Windows(benchmark::State& state) { Run(state, {.window = 240}); }
void ScalesAndMirrored(benchmark::State& state) {
  Run(state, {.scales = {0.5, 0.75, 1, 1.25, 1.5, 1.75}, .flip = true});
}

// Wall-clock time: what the readers do is not in the main thread's.
BENCHMARK(WholeImages)->ArgName("readers")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(Windows)->ArgName("readers")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(ScalesAndMirrored)->ArgName("readers")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace experiments
