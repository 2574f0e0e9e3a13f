// Times one training step of a network on the CPU or a CUDA device: forward, loss, backward, optimizer. The loss is the
// cross entropy, the image-level RSS loss, for a CiSS-Net that of a rollout of contexts, or for a latent_… network that
// of its policy. Prints one line of JSON that compare.py reads. --profile adds what CUDA's libraries left to our own
// kernels, the kernels' shares, what the tape keeps, and the peak of memory by operation, on standard error.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "autograd/autograd.h"
#include "autograd/device/device.h"
#include "autograd/runtime/fallbacks.h"
#include "experiments/ciss/objective.h"
#include "experiments/ciss/options.h"
#include "experiments/latent/objective.h"
#include "experiments/latent/options.h"
#include "experiments/rewards/label_reward.h"
#include "experiments/runner/network.h"
#include "experiments/runner/networks.h"
#include "experiments/runner/objective.h"
#include "nn/nn.h"
#include "rl/rl.h"
#include "seg/seg.h"
#include "tests/performance/clock_and_memory.h"

ABSL_FLAG(
    std::string, model, "nano",
    "a network by name: nano, pspnet_resnet50, … (experiments/runner/networks.h); latent_…: with a latent policy");
ABSL_FLAG(std::string, optimizer, "adamw", "adamw (decay 0.05), or sgd with momentum 0.9 (decay 1e-4)");
ABSL_FLAG(double, auxiliary_weight, 0, "of each auxiliary head's cross entropy; 0: no such head");
ABSL_FLAG(int, size, 128, "height and width of the crops");
ABSL_FLAG(int, batch, 4, "images a step");
ABSL_FLAG(int, steps, 10, "steps that are timed");
ABSL_FLAG(int, warmup, 2, "steps before them");
ABSL_FLAG(std::string, device, "cpu", "cpu, cuda or cuda:N");
ABSL_FLAG(std::string, precision, "float32", "of the activations: float32 or bfloat16");
ABSL_FLAG(bool, measure_plans, false, "on CUDA, time cuDNN's plans and take the fastest");
ABSL_FLAG(bool, capture, false, "record the whole step once and replay it, on CUDA as one graph");
ABSL_FLAG(int, threads, 0, "CPU threads; 0 takes all cores");
ABSL_FLAG(int, classes, 59, "classes");
ABSL_FLAG(std::string, loss, "labels",
          "labels (cross entropy) or rss (image-level reward, 5 scales, N maps); ciss_…: a loss of its own");
ABSL_FLAG(int, rollout, 4, "T, contexts that an image goes through, of ciss_… networks; 0: labels alone");
ABSL_FLAG(int, samples, 16, "N, maps per image and scale, with --loss=rss");
ABSL_FLAG(std::string, credit, "psd", "with --loss=rss: psd (pair-wise spatial difference) or posterior");
ABSL_FLAG(bool, checkpoint, false, "gradient checkpointing of the encoder's blocks");
ABSL_FLAG(bool, profile, false, "print where time and memory go");

namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

// What is live when most is, by the operation that asked for it, largest first.
std::string PeakReport(const autograd::AllocatorStatistics& statistics) {
  std::vector<std::pair<int64_t, std::string>> largest;
  for (const auto& [operation, bytes] : statistics.live_by_operation_at_peak) {
    if (bytes > 0) largest.push_back({bytes, operation});
  }
  std::sort(largest.rbegin(), largest.rend());
  std::string report = "arrays at the peak, MiB:\n";
  for (const auto& [bytes, operation] : largest) {
    char line[128];
    std::snprintf(line, sizeof line, "%10.2f  %s\n", static_cast<double>(bytes) / (1 << 20), operation.c_str());
    report += line;
  }
  return report;
}

int Main() {
  if (absl::GetFlag(FLAGS_threads) > 0) autograd::SetThreadCount(absl::GetFlag(FLAGS_threads));
  const int size = absl::GetFlag(FLAGS_size), batch = absl::GetFlag(FLAGS_batch),
            classes = absl::GetFlag(FLAGS_classes);
  absl::StatusOr<std::unique_ptr<autograd::Stream>> stream = autograd::OpenStream(absl::GetFlag(FLAGS_device));
  if (!stream.ok()) {
    std::fprintf(stderr, "training_step: --device: %s\n", std::string(stream.status().message()).c_str());
    return 1;
  }
  autograd::StreamScope scope(**stream);
  const std::string precision = absl::GetFlag(FLAGS_precision);
  if (precision != "float32" && precision != "bfloat16") {
    std::fprintf(stderr, "training_step: --precision=%s is not float32 or bfloat16\n", precision.c_str());
    return 1;
  }
  if (absl::GetFlag(FLAGS_measure_plans)) autograd::SetConvolutionPlans(autograd::ConvolutionPlans::kMeasured);
  const double memory_before = PeakMebibytes();
  const double auxiliary_weight = absl::GetFlag(FLAGS_auxiliary_weight);
  const bool by_reward = absl::GetFlag(FLAGS_loss) == "rss";
  if (auxiliary_weight != 0 && by_reward) {
    std::fprintf(stderr, "training_step: --auxiliary_weight is for --loss=labels\n");
    return 1;
  }
  if (absl::GetFlag(FLAGS_rollout) < 0) {
    std::fprintf(stderr, "training_step: --rollout=%d is negative\n", absl::GetFlag(FLAGS_rollout));
    return 1;
  }
  const std::string name = absl::GetFlag(FLAGS_model);
  absl::string_view base = name;
  const bool with_policy = absl::ConsumePrefix(&base, "latent_");
  const absl::StatusOr<std::unique_ptr<experiments::Network>> made =
      experiments::MakeNetwork(std::string(base), classes, RandomKey(0),
                               {.precision = precision == "bfloat16" ? autograd::kBFloat16 : autograd::kFloat32,
                                .auxiliary_head = auxiliary_weight != 0,
                                .latent = with_policy ? std::optional(seg::LatentConfig()) : std::nullopt,
                                .checkpoint_blocks = absl::GetFlag(FLAGS_checkpoint)});
  if (!made.ok()) {
    std::fprintf(stderr, "training_step: --model: %s\n", std::string(made.status().message()).c_str());
    return 1;
  }
  experiments::Network& network = **made;
  const bool by_rollout = network.context_inference() != nullptr;
  const bool by_policy = network.latent() != nullptr;
  if ((by_rollout || by_policy) && by_reward) {
    std::fprintf(stderr, "training_step: --loss=rss is for networks other than %s\n", network.description().c_str());
    return 1;
  }
  if (by_rollout && by_policy) {
    std::fprintf(stderr, "training_step: latent_… is for networks other than %s\n", network.description().c_str());
    return 1;
  }
  const std::string optimizer_name = absl::GetFlag(FLAGS_optimizer);
  if (optimizer_name != "adamw" && optimizer_name != "sgd") {
    std::fprintf(stderr, "training_step: --optimizer=%s is not adamw or sgd\n", optimizer_name.c_str());
    return 1;
  }
  std::unique_ptr<nn::Optimizer> optimizer;
  if (optimizer_name == "adamw") {
    optimizer = std::make_unique<nn::AdamW>(nn::GroupParameters(network.module(), {.weight_decay = 0.05}));
  } else {
    optimizer = std::make_unique<nn::Sgd>(nn::GroupParameters(network.module(), {.weight_decay = 1e-4}));
  }

  std::vector<float> pixels(static_cast<size_t>(batch) * size * size * 3);
  std::vector<uint8_t> classes_of_pixels(static_cast<size_t>(batch) * size * size);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(1), i).x) - 1;
  for (size_t i = 0; i < classes_of_pixels.size(); ++i)
    classes_of_pixels[i] =
        static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(RandomKey(2), i / 64).x, classes));
  const Variable images(Array::From<float>({batch, size, size, 3}, pixels));
  const Array labels = Array::From<uint8_t>({batch, size, size}, classes_of_pixels);
  experiments::MeanIouReward reward(classes, seg::ClassSet::kTruth);
  reward.SetLabels(labels);
  rl::RssOptions rss;
  rss.group_size = absl::GetFlag(FLAGS_samples);
  const std::string credit = absl::GetFlag(FLAGS_credit);
  if (credit != "psd" && credit != "posterior") {
    std::fprintf(stderr, "training_step: --credit=%s is not psd or posterior\n", credit.c_str());
    return 1;
  }
  if (credit == "posterior") rss.credit = rl::Credit::kPosterior;
  std::vector<int64_t> ids;
  for (int i = 0; i < batch; ++i) ids.push_back(i);
  autograd::OneRank collective;
  experiments::ciss::CissOptions ciss;
  ciss.rollout = absl::GetFlag(FLAGS_rollout);
  experiments::latent::LatentOptions latent;
  latent.auxiliary_weight = auxiliary_weight;
  latent.probe_every = 0;
  std::unique_ptr<experiments::Objective> objective;  // of networks that have a loss of their own
  if (by_rollout) objective = std::make_unique<experiments::ciss::CissObjective>(ciss, network);
  if (by_policy) objective = std::make_unique<experiments::latent::LatentObjective>(latent, network);
  const data::Batch batch_on_host;  // which a loss of one rank does not read

  std::vector<double> milliseconds, loss_milliseconds;
  std::string saved;
  double loss_value = 0, profiled = 0;
  Variable loss;
  const auto compute = [&](const RandomKey& key) {
    autograd::Tape tape;
    const nn::Context context = nn::Context::Training(key);
    double before_loss = Now();
    if (objective != nullptr) {  // whose forward passes are part of the loss
      const experiments::StepView view{.step = 0,
                                       .total_steps = 1,
                                       .update = 0,
                                       .batch = batch_on_host,
                                       .images = images.array(),
                                       .labels = labels,
                                       .context = context,
                                       .key = key.Split("objective"),
                                       .collective = collective};
      loss = objective->Loss(view).value().loss;
    } else {
      const seg::Features features = network.Encode(images, context);
      const Variable logits = network.Decode(features, context);
      std::vector<Variable> auxiliary;
      if (auxiliary_weight != 0) auxiliary = network.Auxiliary(features, context);
      before_loss = Now();
      if (by_reward) {
        loss =
            rl::RssLoss(logits, {ids, size, size, {}, {}}, reward, rss, 0, key.Split("rss"), collective).value().loss;
      } else {
        loss = seg::SegmentationLoss(logits, labels);
        for (const Variable& other : auxiliary) loss = loss + auxiliary_weight * seg::SegmentationLoss(other, labels);
      }
    }
    loss_milliseconds.push_back(1e3 * (Now() - before_loss));
    if (saved.empty()) saved = tape.Report();
    tape.Backward(loss);
    optimizer->Update();
    optimizer->ClearGradients();
    if (objective != nullptr) objective->Updated({});
  };
  optimizer->SetLearningRate(optimizer_name == "adamw" ? 1e-4 : 1e-2);
  std::optional<autograd::CapturedStep> captured;
  if (absl::GetFlag(FLAGS_capture)) captured.emplace(compute);
  const int warmup = absl::GetFlag(FLAGS_warmup), steps = absl::GetFlag(FLAGS_steps);
  for (int step = 0; step < warmup + steps; ++step) {
    if (step == warmup && absl::GetFlag(FLAGS_profile)) {
      autograd::Profiler::Enable(true);
      (*stream)->allocator().ResetPeak();
    }
    (*stream)->Synchronize();
    const double start = Now();
    if (captured.has_value()) {
      captured->Run(RandomKey(3), step);
    } else {
      compute(RandomKey(3).Split(step));
    }
    loss_value = loss.Item();
    (*stream)->Synchronize();
    if (step >= warmup) {
      milliseconds.push_back(1e3 * (Now() - start));
      profiled += Now() - start;
    } else {
      loss_milliseconds.clear();
    }
  }
  if (loss_milliseconds.empty()) loss_milliseconds = {0};  // replayed: not told apart
  int64_t fallbacks = 0;
  for (const auto& [what, calls] : autograd::Fallbacks()) fallbacks += calls;
  std::sort(milliseconds.begin(), milliseconds.end());
  std::sort(loss_milliseconds.begin(), loss_milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  if (absl::GetFlag(FLAGS_profile)) {
    std::fprintf(stderr, "%s%s\n%s\n%s", autograd::FallbackReport().c_str(),
                 autograd::Profiler::Report(profiled).c_str(), saved.c_str(),
                 PeakReport((*stream)->allocator().Statistics()).c_str());
  }
  std::printf(
      "{\"program\": \"ours\", \"device\": \"%s\", \"precision\": \"%s\", \"model\": \"%s\", \"size\": %d, \"batch\": "
      "%d, \"threads\": %d, \"loss_kind\": \"%s\", "
      "\"milliseconds_per_step\": %.2f, "
      "\"loss_forward_milliseconds\": %.2f, \"images_per_second\": %.2f, \"peak_memory_mib\": %.1f, "
      "\"memory_before_mib\": %.1f, \"arrays_peak_mib\": %.1f, \"fallbacks\": %lld, \"loss\": %.4f}\n",
      absl::GetFlag(FLAGS_device).c_str(), precision.c_str(), absl::GetFlag(FLAGS_model).c_str(), size, batch,
      autograd::ThreadCount(),
      by_rollout  ? "rollout"
      : by_policy ? "latent"
                  : absl::GetFlag(FLAGS_loss).c_str(),
      median, loss_milliseconds[loss_milliseconds.size() / 2], 1e3 * batch / median, PeakMebibytes(), memory_before,
      static_cast<double>((*stream)->allocator().Statistics().peak_bytes) / (1 << 20),
      static_cast<long long>(fallbacks), loss_value);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("times a training step of a network; compare.py lets it and PyTorch take turns");
  absl::ParseCommandLine(argc, argv);
  return Main();
}
