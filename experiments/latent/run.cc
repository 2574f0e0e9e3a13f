#include "experiments/latent/run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/formats/png.h"
#include "experiments/latent/deviation_picture.h"
#include "experiments/latent/objective.h"
#include "experiments/latent/tables.h"
#include "experiments/latent/targets.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/networks.h"
#include "experiments/runner/supervised.h"
#include "experiments/runner/training.h"

namespace experiments::latent {
namespace {

// What the network says without the policy's signal, and where that differs from what it says with it.
ExamplePanels SignalPanels(Network& network, const OpenedData& data) {
  ExamplePanels panels;
  panels.captions = {"prediction without the policy (s = 0)", "where the two differ (black)"};
  panels.make = [&network, &data](const data::Sample& sample) {
    const data::DatasetInfo& info = data.validation->info();
    const data::Normalization normalization(info);
    seg::LatentInference& inference = network.latent()->inference;
    const seg::LatentInference chosen = inference;
    const data::LabelMap with = Predict(network, sample.image, normalization, data.inference);
    inference.signal = seg::LatentSignal::kZero;
    const data::LabelMap without = Predict(network, sample.image, normalization, data.inference);
    inference = chosen;
    data::Image difference(with.height, with.width);
    for (size_t i = 0; i < with.values.size(); ++i)
      std::fill_n(difference.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3,
                  static_cast<uint8_t>(with.values[i] == without.values[i] ? 255 : 0));
    return std::vector<data::Image>{ColorLabels(without, info.palette), std::move(difference)};
  };
  return panels;
}

// The scores with other signals at test time, as "s = 0 mIoU".
absl::Status ScoreSignals(Network& network, const OpenedData& data, const RunContext& context,
                          const TrainingOptions& training, RunRecord& record) {
  seg::LatentInference& inference = network.latent()->inference;
  const seg::LatentInference chosen = inference;
  const std::pair<seg::LatentSignal, const char*> signals[] = {{seg::LatentSignal::kZero, "s = 0"},
                                                               {seg::LatentSignal::kSample, "sampled"}};
  for (const auto& [signal, name] : signals) {
    inference.signal = signal;
    const std::unique_ptr<Scorer> scorer = data.NewScorer();
    const absl::StatusOr<Evaluation> evaluation =
        Evaluate(network, *data.validation, data.inference, *scorer,
                 {.reader_threads = training.loader_threads, .collective = &context.collective});
    inference = chosen;
    if (!evaluation.ok()) return evaluation.status();
    const Score* score = FindScore(evaluation->scores, "mIoU");
    if (score != nullptr) record.scores.push_back({absl::StrCat(name, " mIoU"), score->value});
  }
  return absl::OkStatus();
}

absl::Status DrawPolicy(const LatentObjective& objective, const RunContext& context, RunRecord& record) {
  const data::Image picture = DrawDeviations(objective.deviations());
  if (!context.first_rank() || picture.height == 0) return absl::OkStatus();
  record.pictures.push_back({"sigma of the policy's channels, early in the run at the top", picture});
  return data::WritePng(absl::StrCat(context.folder, "/deviations.png"), picture);
}

}  // namespace

absl::Status Check(const std::string& row, const LatentOptions& options) {
  if (options.advantage_low > options.advantage_high)
    return WrongFlag(
        absl::StrCat("--advantage_low=", options.advantage_low, " is above --advantage_high=", options.advantage_high));
  const seg::LatentModulationConfig& modulation = options.latent.config.modulation;
  if (options.modulated && modulation.kind == seg::Modulation::kAttention) {
    const absl::StatusOr<int64_t> channels = LatentChannels(options.network.model);
    if (!channels.ok()) return WrongFlag(absl::StrCat("--model: ", channels.status().message()));
    if (*channels % modulation.heads != 0)
      return WrongFlag(absl::StrCat("--modulation_heads=", modulation.heads, " does not divide the ", *channels,
                                    " channels of the latent features of '", row, "', ", options.network.model));
  }
  if (options.modulated && options.baseline == rl::Baseline::kLeaveOneOut && options.draws < 2 &&
      options.source == Source::kPolicy)
    return WrongFlag(absl::StrCat("--baseline=leave_one_out compares an image's draws, and '", row,
                                  "' has one; use "
                                  "--draws=2 or more"));
  if (options.gradient.capture && options.modulated && options.probe_every > 0)
    return WrongFlag("--capture records a step that reads nothing back, and a probe does; use --probe_every=0");
  if (absl::Status status = ParseTargets(options).status(); !status.ok()) return status;
  return options.windows.Override(InferenceOptions()).status();
}

GradientOptions GradientOf(const LatentOptions& options, Network& network) {
  GradientOptions gradient = options.gradient;
  if (gradient.last_layer_factor != 1)
    gradient.rate_factors.push_back({network.last_layer(), gradient.last_layer_factor});
  if (options.head_rate_factor != 1) {
    std::vector<std::string> heads;
    for (const nn::NamedParameter& named : nn::NamedParameters(network.module())) {
      std::string part = named.name.substr(0, named.name.find('.'));
      if (part == "backbone" || part == "encoder" || absl::StartsWith(named.name, "segformer.encoder")) continue;
      if (std::find(heads.begin(), heads.end(), part) == heads.end()) heads.push_back(std::move(part));
    }
    for (const std::string& head : heads) gradient.rate_factors.push_back({head, options.head_rate_factor});
  }
  return gradient;
}

absl::StatusOr<RunRecord> Run(const LatentOptions& options, const RunContext& context) {
  absl::StatusOr<OpenedData> data = OpenData(options.data);
  if (!data.ok()) return data.status();
  absl::StatusOr<InferenceOptions> inference = options.windows.Override(data->inference);
  if (!inference.ok()) return inference.status();
  data->inference = *std::move(inference);
  const absl::StatusOr<std::vector<Target>> targets = OpenTargets(options, data->validation->info());
  if (!targets.ok()) return targets.status();
  const std::optional<LatentSettings> latent =
      options.modulated ? std::optional(options.latent) : std::optional<LatentSettings>();
  absl::StatusOr<std::unique_ptr<Network>> network =
      StartNetwork(options.network, data->validation->info(), context, options.auxiliary_weight > 0, latent);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckTrainingShape(**network, options.training, *data, context.collective); !status.ok())
    return status;

  std::unique_ptr<Objective> objective;
  const LatentObjective* by_reward = nullptr;
  if (options.modulated) {
    auto made = std::make_unique<LatentObjective>(options, **network);
    by_reward = made.get();
    objective = std::move(made);
  } else {
    objective = std::make_unique<Supervised>(**network, options.auxiliary_weight);
  }
  const GradientOptions gradient = GradientOf(options, **network);
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options.training, gradient, *objective, *data, context);
  if (!learner.ok()) return learner.status();

  NetworkDescription description = Describe(options.network, options.data, *data);
  description.latent = latent;
  const bool with_policy = options.modulated && options.source == Source::kPolicy;
  absl::StatusOr<RunRecord> record = Train(options.training, **learner, **network, *data, description, context,
                                           with_policy ? SignalPanels(**network, *data) : ExamplePanels());
  if (!record.ok() || record->interrupted) return record;
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (absl::Status status = KeepNetwork(**network, description, context, *record); !status.ok()) return status;
  if (with_policy) {
    if (absl::Status status = ScoreSignals(**network, *data, context, options.training, *record); !status.ok())
      return status;
    for (const Score& score : by_reward->ProbeMeans()) record->scores.push_back(score);
    if (absl::Status status = DrawPolicy(*by_reward, context, *record); !status.ok()) return status;
  }
  if (absl::Status status = ScoreTargets(**network, *targets, options.training, context, *record); !status.ok())
    return status;
  return record;
}

Experiment<LatentOptions> BaseExperiment() {
  Experiment<LatentOptions> experiment;
  experiment.title = "Latent-space RL: a Gaussian policy on the encoder's features";
  experiment.presets = {{"quick", "scenes"}, {"camvid", "photos on a CPU"}, {"paper", "a GPU"}};
  experiment.preset = Preset;
  experiment.methods = Methods;
  experiment.tables = {{"controls", Controls}, {"trained", ControlsFromTrained}};
  experiment.run = Run;
  experiment.check = Check;
  return experiment;
}

}  // namespace experiments::latent
