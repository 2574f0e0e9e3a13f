#include "experiments/ciss/run.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "experiments/ciss/analysis.h"
#include "experiments/ciss/objective.h"
#include "experiments/ciss/tables.h"
#include "experiments/ciss/whole_image.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/asynchronous_learner.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/supervised.h"
#include "experiments/runner/training.h"

namespace experiments::ciss {
namespace {

constexpr int64_t kScoredSteps[] = {0, 2, 4, 6};  // of the paper's Table 1

// The grid of X must be as fine as the pyramid of F_e.
absl::Status CheckGrid(const DataOptions& data, const seg::CissNetConfig& net) {
  const data::Size crop = data.crop == 0 ? PublishedCrop(data.name) : data::Size{data.crop, data.crop};
  const int64_t stride = net.size_multiple(), least = net.smallest_extent();
  const int64_t extent = (std::min(crop.height, crop.width) + stride - 1) / stride;
  // A dataset that there is not has no crop; who opens it says so.
  if (extent == 0 || extent >= least) return absl::OkStatus();
  return WrongFlag(absl::StrCat("--crop: crops of ", crop.height, "×", crop.width, " have features of ", extent,
                                " rows or columns at stride ", stride, ", and the pyramid of label maps pools ", least,
                                "; use --crop=", (least * stride + 31) / 32 * 32, " or more"));
}

absl::Status Check(const std::string& row, const CissOptions& options) {
  if (options.reward_window % 2 == 0)
    return WrongFlag(absl::StrCat("--reward_window=", options.reward_window, " has no centre: it must be odd"));
  if (options.workers > options.training.steps)
    return WrongFlag(absl::StrCat("--workers=", options.workers, " are more than the ", options.training.steps,
                                  " batches of --steps: each batch is one worker's"));
  absl::string_view encoder = options.network.model;
  if (!absl::ConsumePrefix(&encoder, options.pretraining ? "pspnet_" : "ciss_"))
    return WrongFlag(absl::StrCat("--model=", options.network.model, " has no context net; '", row,
                                  "' needs one of the ciss_… networks, such as ciss_micro or ciss_resnet50"));
  const absl::StatusOr<seg::CissNetConfig> net = seg::ConfigureCissNet(encoder, options.data.scene_classes);
  if (!net.ok()) return WrongFlag(absl::StrCat("--model: ", net.status().message()));
  if (absl::Status status = CheckGrid(options.data, *net); !status.ok()) return status;
  return options.windows.Override(InferenceOptions()).status();
}

// The p-map of Base, the contexts in the class's colours on white, and between them the p-maps they led to.
ExamplePanels ContextPanels(seg::CissNet& net, const OpenedData& data) {
  ExamplePanels panels;
  for (int64_t t = 0; t < net.inference.steps; ++t) {
    panels.captions.push_back(absl::StrCat("p-map t=", t));
    panels.captions.push_back(absl::StrCat("context t=", t, " (white: uncertain)"));
  }
  panels.make = [&net, &data](const data::Sample& sample) {
    const data::DatasetInfo& info = data.validation->info();
    std::vector<data::Image> pictures;
    for (const ContextStep& step : TraceContext(net, sample.image, data::Normalization(info),
                                                data.inference.scales.front(), autograd::RandomKey(0))) {
      if (step.context.values.empty()) break;
      pictures.push_back(ColorLabels(step.p_map, info.palette));
      pictures.push_back(ColorLabels(step.context, info.palette, {255, 255, 255}));
    }
    return pictures;
  };
  return panels;
}

// The scores after other numbers of steps, as "t=4 mIoU".
absl::Status ScoreSteps(Network& network, seg::CissNet& net, const OpenedData& data, const RunContext& context,
                        const TrainingOptions& training, RunRecord& record) {
  const int64_t chosen = net.inference.steps;
  for (const int64_t steps : kScoredSteps) {
    net.inference.steps = steps;
    const std::unique_ptr<Scorer> scorer = MakeScorer(data.validation->info(), data.root);
    const absl::StatusOr<Evaluation> evaluation =
        Evaluate(network, *data.validation, data.inference, *scorer,
                 {.reader_threads = training.loader_threads, .collective = &context.collective});
    net.inference.steps = chosen;
    if (!evaluation.ok()) return evaluation.status();
    for (const Score& score : evaluation->scores)
      record.scores.push_back({absl::StrCat("t=", steps, " ", score.name), score.value});
  }
  return absl::OkStatus();
}

absl::Status Analyse(seg::CissNet& net, const OpenedData& data, const RunContext& context, RunRecord& record) {
  if (!context.first_rank()) return absl::OkStatus();
  const absl::StatusOr<ContextAnalysis> analysis = AnalyseContexts(net, *data.validation,
                                                                   {.steps = net.inference.steps,
                                                                    .image_scale = data.inference.scales.front(),
                                                                    .key = context.key.Split("analysis")});
  if (!analysis.ok()) return analysis.status();
  const std::vector<Score> scores = analysis->Scores();
  record.scores.insert(record.scores.end(), scores.begin(), scores.end());
  std::printf("%s\n", analysis->ToString().c_str());
  return absl::OkStatus();
}

// With the factors of the rate that depend on the network.
GradientOptions GradientOf(const CissOptions& options, const Network& network) {
  GradientOptions gradient = options.gradient;
  if (gradient.last_layer_factor != 1)
    gradient.rate_factors.push_back({network.last_layer(), gradient.last_layer_factor});
  if (!options.pretraining && options.context_rate_factor != 1) {
    for (const char* part : {"bias", "context"}) gradient.rate_factors.push_back({part, options.context_rate_factor});
  }
  return gradient;
}

absl::StatusOr<std::unique_ptr<Learner>> MakeLearner(const CissOptions& options, const GradientOptions& gradient,
                                                     Objective& objective, const Network& network,
                                                     const OpenedData& data, const RunContext& context) {
  if (options.workers == 1) return GradientLearner::Create(options.training, gradient, objective, data, context);
  return AsynchronousLearner::Create(
      options.workers, options.training, gradient, objective,
      [&options, &network] {
        return OnTwin(network, [&options](Network& twin) -> std::unique_ptr<Objective> {
          return std::make_unique<CissObjective>(options, twin);
        });
      },
      data, context);
}

// A row whose features are learned from labels alone.
absl::StatusOr<RunRecord> Pretrain(const CissOptions& options, const OpenedData& data, const RunContext& context) {
  absl::StatusOr<std::unique_ptr<Network>> network =
      StartNetwork(options.network, data.validation->info(), context, options.auxiliary_weight > 0);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckTrainingShape(**network, options.training, data, context.collective); !status.ok())
    return status;
  Supervised objective(**network, options.auxiliary_weight);
  const GradientOptions gradient = GradientOf(options, **network);
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options.training, gradient, objective, data, context);
  if (!learner.ok()) return learner.status();
  const NetworkDescription description = Describe(options.network, options.data, data);
  absl::StatusOr<RunRecord> record = Train(options.training, **learner, **network, data, description, context);
  if (!record.ok() || record->interrupted) return record;
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (absl::Status status = KeepNetwork(**network, description, context, *record); !status.ok()) return status;
  return record;
}

}  // namespace

absl::StatusOr<RunRecord> Run(const CissOptions& options, const RunContext& context) {
  absl::StatusOr<OpenedData> data = OpenData(options.data);
  if (!data.ok()) return data.status();
  absl::StatusOr<InferenceOptions> inference = options.windows.Override(data->inference);
  if (!inference.ok()) return inference.status();
  data->inference = *std::move(inference);
  if (options.pretraining) return Pretrain(options, *data, context);

  absl::StatusOr<std::unique_ptr<Network>> network = StartNetwork(options.network, data->validation->info(), context);
  if (!network.ok()) return network.status();
  seg::CissNet& net = *AsCissNet(**network);
  if (absl::Status status = CheckTrainingShape(**network, options.training, *data, context.collective); !status.ok())
    return status;
  net.inference = options.context;

  CissObjective objective(options, **network);
  const GradientOptions gradient = GradientOf(options, **network);
  const absl::StatusOr<std::unique_ptr<Learner>> learner =
      MakeLearner(options, gradient, objective, **network, *data, context);
  if (!learner.ok()) return learner.status();

  NetworkDescription description = Describe(options.network, options.data, *data);
  description.context = net.inference;
  absl::StatusOr<RunRecord> record =
      Train(options.training, **learner, **network, *data, description, context, ContextPanels(net, *data));
  if (!record.ok() || record->interrupted) return record;
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (absl::Status status = KeepNetwork(**network, description, context, *record); !status.ok()) return status;
  if (options.analysis && options.rollout > 0 && options.context.steps > 0) {
    if (absl::Status status = ScoreSteps(**network, net, *data, context, options.training, *record); !status.ok())
      return status;
    if (absl::Status status = Analyse(net, *data, context, *record); !status.ok()) return status;
  }
  return record;
}

Experiment<CissOptions> BaseExperiment() {
  Experiment<CissOptions> experiment;
  experiment.title = "CiSS-Net: context chosen by an actor-critic";
  experiment.presets = {{"quick", "scenes"}, {"camvid", "photos on a CPU"}, {"paper", "a GPU"}};
  experiment.preset = Preset;
  experiment.methods = Methods;
  experiment.tables = {{"controls", Controls}};
  experiment.run = Run;
  experiment.check = Check;
  return experiment;
}

}  // namespace experiments::ciss
