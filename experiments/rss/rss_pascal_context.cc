// RSS: Reward in Semantic Segmentation. Without flags: the embedded scenes, a small SFPNeXt that learns from one score per sampled
// label map, beside its supervised twin. See README.md here for claims, commands and costs.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "autograd/collective/collective.h"
#include "autograd/ops/convolution_plans.h"
#include "experiments/rss/results.h"
#include "experiments/rss/run.h"
#include "experiments/rss/run_options.h"
#include "experiments/rss/tables.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"

template <typename T>
using Maybe = absl::optional<T>;  // without a value: what the preset says

ABSL_FLAG(std::string, preset, "",
          "quick (default for scenes): embedded scenes, minutes on a CPU; camvid (default otherwise): real "
          "photographs, an hour on a CPU; paper: the paper's setting, for a GPU");
ABSL_FLAG(std::string, method, "compare", "compare (RSS image-level beside PSL), psl, rss_pixel, rss_image, rss_naive");
ABSL_FLAG(int, table, 0,
          "1, 2 or 3: run the rows of that table of the paper and print them beside the paper's numbers");
ABSL_FLAG(std::string, rows, "",
          "with --table: only these rows, by folder name, such as psl,naive (others are shown if they ran before)");
ABSL_FLAG(int, seeds, 1, "how many seeds; results are mean ± standard deviation");
ABSL_FLAG(uint64_t, seed, 0, "the first seed");
ABSL_FLAG(std::string, output, "", "folder for everything written (default: a new runs/rss_pascal_context_NNN)");
ABSL_FLAG(bool, resume, false, "go on where the run in --output (default: the latest) stopped");
ABSL_FLAG(Maybe<std::string>, precision, absl::nullopt, "of the network's activations: float32 or bfloat16");
ABSL_FLAG(bool, measure_plans, false,
          "on CUDA, time cuDNN's plans and take the fastest; runs may then differ by rounding");
ABSL_FLAG(Maybe<std::string>, dataset, absl::nullopt, "scenes, camvid, pascal_context (59 classes), pascal_context_60");
ABSL_FLAG(std::string, data_root, "", "folder of the dataset's files");
ABSL_FLAG(Maybe<int>, crop, absl::nullopt, "side of training crops in pixels, a multiple of 32");
ABSL_FLAG(Maybe<int>, scene_classes, absl::nullopt, "classes of the embedded scenes, 2 to 24");
ABSL_FLAG(Maybe<int64_t>, scene_images, absl::nullopt, "distinct training scenes; 0 never repeats one");
ABSL_FLAG(Maybe<double>, image_scale, absl::nullopt,
          "images are resized to this share of their size; labels are scored at their own size");
ABSL_FLAG(Maybe<std::string>, model, absl::nullopt, "SFPNeXt's encoder: micro, atto, femto, pico, nano, tiny");
ABSL_FLAG(std::string, init_weights, "", "encoder weights (.safetensors, timm names)");
ABSL_FLAG(std::string, cold_start, "",
          "weights of a whole network trained elsewhere: every tensor that fits is taken (tables: made on other scenes "
          "if not given)");
ABSL_FLAG(Maybe<int64_t>, steps, absl::nullopt, "training steps");
ABSL_FLAG(Maybe<int>, batch_size, absl::nullopt, "images a step");
ABSL_FLAG(Maybe<double>, learning_rate, absl::nullopt, "peak learning rate");
ABSL_FLAG(Maybe<double>, last_layer_factor, absl::nullopt,
          "learning-rate factor of the last layer (Table 3: 1, 4, 40, 400)");
ABSL_FLAG(Maybe<double>, weight_decay, absl::nullopt, "decoupled weight decay");
ABSL_FLAG(Maybe<double>, clip_norm, absl::nullopt, "largest norm of the whole gradient; 0 does not clip");
ABSL_FLAG(Maybe<double>, average_decay, absl::nullopt,
          "decay of the moving average that is evaluated; 0 evaluates the weights themselves");
ABSL_FLAG(Maybe<int>, inner_updates, absl::nullopt, "optimizer steps per batch of samples (μ of GRPO)");
ABSL_FLAG(Maybe<int>, samples, absl::nullopt, "sampled maps per image and scale (N)");
ABSL_FLAG(Maybe<std::vector<std::string>>, scales, absl::nullopt,
          "pixels a cell, such as 16,8,4; 1 samples at full resolution");
ABSL_FLAG(Maybe<std::string>, advantage, absl::nullopt, "psd (pair-wise spatial difference) or grpo (group relative)");
ABSL_FLAG(Maybe<std::string>, normalisation, absl::nullopt, "of PSD: nonzero, all, none");
ABSL_FLAG(Maybe<std::string>, reward_classes, absl::nullopt, "classes in a map's mIoU: truth (of the label) or union");
ABSL_FLAG(Maybe<bool>, progressive, absl::nullopt, "coarse scales first, finer ones switched on as training goes");
ABSL_FLAG(Maybe<double>, resampled_share, absl::nullopt,
          "counterfactual pairs: share of cells re-sampled from a common base map; 0 samples independently");
ABSL_FLAG(Maybe<double>, clip, absl::nullopt, "of the probability ratio (ε of GRPO)");
ABSL_FLAG(Maybe<double>, divergence_weight, absl::nullopt,
          "weight of the KL divergence to the policy at the start of the batch");
ABSL_FLAG(Maybe<double>, entropy_weight, absl::nullopt, "weight of the policy's entropy");
ABSL_FLAG(Maybe<int64_t>, evaluate_every, absl::nullopt, "steps between evaluations");
ABSL_FLAG(Maybe<int64_t>, checkpoint_every, absl::nullopt, "steps between checkpoints");

namespace experiments::rss {
namespace {

template <typename T, typename Target>
void Override(const Maybe<T>& flag, Target& target) {
  if (flag.has_value()) target = *flag;
}

// A dataset of photographs gets the preset made for photographs unless one is named.
std::string PresetName() {
  const std::string preset = absl::GetFlag(FLAGS_preset);
  const Maybe<std::string> dataset = absl::GetFlag(FLAGS_dataset);
  if (!preset.empty()) return preset;
  return dataset.has_value() && *dataset != "scenes" ? "camvid" : "quick";
}

absl::StatusOr<RunOptions> OptionsFromFlags() {
  absl::StatusOr<RunOptions> preset = Preset(PresetName());
  if (!preset.ok()) return preset.status();
  RunOptions options = *std::move(preset);
  TrainingOptions& training = options.training;
  const Maybe<std::string> dataset = absl::GetFlag(FLAGS_dataset);
  Override(dataset, options.data.name);
  options.data.root = ResolvePath(absl::GetFlag(FLAGS_data_root));
  Override(absl::GetFlag(FLAGS_crop), options.data.crop);
  Override(absl::GetFlag(FLAGS_scene_classes), options.data.scene_classes);
  Override(absl::GetFlag(FLAGS_scene_images), options.data.scene_images);
  Override(absl::GetFlag(FLAGS_image_scale), options.data.image_scale);
  Override(absl::GetFlag(FLAGS_model), options.model);
  if (const Maybe<std::string> precision = absl::GetFlag(FLAGS_precision); precision.has_value()) {
    if (*precision != "float32" && *precision != "bfloat16")
      return absl::InvalidArgumentError(absl::StrCat("--precision=", *precision, " is not float32 or bfloat16"));
    options.precision = *precision == "float32" ? autograd::kFloat32 : autograd::kBFloat16;
  }
  options.init_weights = ResolvePath(absl::GetFlag(FLAGS_init_weights));
  options.cold_start = ResolvePath(absl::GetFlag(FLAGS_cold_start));
  Override(absl::GetFlag(FLAGS_steps), training.steps);
  Override(absl::GetFlag(FLAGS_batch_size), training.batch_size);
  Override(absl::GetFlag(FLAGS_learning_rate), training.learning_rate);
  Override(absl::GetFlag(FLAGS_last_layer_factor), training.last_layer_factor);
  Override(absl::GetFlag(FLAGS_weight_decay), training.weight_decay);
  Override(absl::GetFlag(FLAGS_clip_norm), training.clip_norm);
  Override(absl::GetFlag(FLAGS_average_decay), training.average_decay);
  Override(absl::GetFlag(FLAGS_inner_updates), training.inner_updates);
  Override(absl::GetFlag(FLAGS_samples), options.samples);
  Override(absl::GetFlag(FLAGS_progressive), options.progressive);
  Override(absl::GetFlag(FLAGS_resampled_share), options.resampled_share);
  Override(absl::GetFlag(FLAGS_clip), options.clip);
  Override(absl::GetFlag(FLAGS_divergence_weight), options.divergence_weight);
  Override(absl::GetFlag(FLAGS_entropy_weight), options.entropy_weight);
  Override(absl::GetFlag(FLAGS_evaluate_every), training.evaluate_every);
  Override(absl::GetFlag(FLAGS_checkpoint_every), training.checkpoint_every);
  training.resume = absl::GetFlag(FLAGS_resume);

  if (const Maybe<std::vector<std::string>> scales = absl::GetFlag(FLAGS_scales); scales.has_value()) {
    options.scales.clear();
    for (const std::string& scale : *scales) {
      int pixels = 0;
      if (!absl::SimpleAtoi(scale, &pixels) || pixels < 1)
        return absl::InvalidArgumentError(absl::StrCat("--scales: '", scale, "' is not a positive number of pixels"));
      options.scales.push_back(pixels);
    }
  }
  if (const Maybe<std::string> advantage = absl::GetFlag(FLAGS_advantage); advantage.has_value()) {
    if (*advantage != "psd" && *advantage != "grpo")
      return absl::InvalidArgumentError(absl::StrCat("--advantage=", *advantage, " is not psd or grpo"));
    options.advantage = *advantage == "psd" ? AdvantageKind::kPairwiseSpatialDifference : AdvantageKind::kGroupRelative;
  }
  if (const Maybe<std::string> normalisation = absl::GetFlag(FLAGS_normalisation); normalisation.has_value()) {
    if (*normalisation == "nonzero") {
      options.normalisation = Normalisation::kNonZero;
    } else if (*normalisation == "all") {
      options.normalisation = Normalisation::kAll;
    } else if (*normalisation == "none") {
      options.normalisation = Normalisation::kNone;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--normalisation=", *normalisation, " is not nonzero, all or none"));
    }
  }
  if (const Maybe<std::string> classes = absl::GetFlag(FLAGS_reward_classes); classes.has_value()) {
    if (*classes != "truth" && *classes != "union")
      return absl::InvalidArgumentError(absl::StrCat("--reward_classes=", *classes, " is not truth or union"));
    options.union_classes = *classes == "union";
  }
  struct Bound {
    const char* flag;
    double value, least;
  };
  const Bound bounds[] = {{"steps", static_cast<double>(training.steps), 1},
                          {"batch_size", static_cast<double>(training.batch_size), 1},
                          {"samples", static_cast<double>(options.samples), 2},
                          {"inner_updates", static_cast<double>(training.inner_updates), 1},
                          {"learning_rate", training.learning_rate, 0},
                          {"last_layer_factor", training.last_layer_factor, 0},
                          {"weight_decay", training.weight_decay, 0},
                          {"clip_norm", training.clip_norm, 0},
                          {"resampled_share", options.resampled_share, 0},
                          {"seeds", static_cast<double>(absl::GetFlag(FLAGS_seeds)), 1}};
  for (const Bound& bound : bounds) {
    if (!(bound.value >= bound.least))
      return absl::InvalidArgumentError(
          absl::StrFormat("--%s=%g must be at least %g", bound.flag, bound.value, bound.least));
  }
  if (training.average_decay < 0 || training.average_decay >= 1)
    return absl::InvalidArgumentError("--average_decay must lie in [0, 1)");
  if (options.resampled_share > 1) return absl::InvalidArgumentError("--resampled_share must lie in [0, 1]");
  return options;
}

// The rows of --method.
absl::StatusOr<Table> MethodRows(const RunOptions& options) {
  Table table{"Image-level reward beside supervision", {}, ""};
  const std::string method = absl::GetFlag(FLAGS_method);
  RunOptions image = options, pixel = options, naive = options;
  image.name = "RSS image";
  pixel.name = "RSS pixel";
  pixel.supervision = Supervision::kPixelReward;
  naive.name = "RSS naive";
  naive.scales = {1};
  naive.advantage = AdvantageKind::kGroupRelative;
  const bool cold = !options.cold_start.empty();
  if (method == "compare" || method == "psl")
    table.rows.push_back({"PSL (labels)", "psl", std::nullopt, cold, SupervisedTwin(options)});
  if (method == "compare" || method == "rss_image")
    table.rows.push_back({"RSS (image-level reward)", "rss_image", std::nullopt, cold, image});
  if (method == "rss_pixel") table.rows.push_back({"RSS (pixel-level reward)", "rss_pixel", std::nullopt, cold, pixel});
  if (method == "rss_naive") table.rows.push_back({"RSS naive", "rss_naive", std::nullopt, cold, naive});
  if (table.rows.empty())
    return absl::InvalidArgumentError(
        absl::StrCat("--method=", method, " is not compare, psl, rss_pixel, rss_image or rss_naive"));
  return table;
}

// A network trained with labels on other scenes (other seed, twice the classes), the tables' "another dataset".
absl::StatusOr<std::string> MakeColdStart(const RunOptions& base, const std::string& output,
                                          autograd::Collective& collective, const InterruptHandler& interrupt) {
  RunOptions options = SupervisedTwin(base);
  options.name = "cold start";
  options.data = DatasetChoice{};
  options.data.crop = base.data.crop;
  options.data.scene_classes = 12;
  options.data.scene_seed = 1000;
  options.training.directory = absl::StrCat(output, "/cold_start");
  options.training.resume = true;
  options.training.seed = 1000;
  options.training.loader_threads = 1;
  const std::string weights = absl::StrCat(options.training.directory, "/weights.safetensors");
  if (ReadScores(options).ok()) return weights;
  std::printf("\nThe cold start's network: labels, %d-class scenes that no row sees\n", options.data.scene_classes);
  absl::StatusOr<RunResult> result = Run(options, collective, interrupt);
  if (!result.ok()) return result.status();
  if (result->training.interrupted) return absl::CancelledError("interrupted");
  if (collective.rank() == 0) {
    if (absl::Status status = WriteScores(options.training.directory, *result); !status.ok()) return status;
  }
  collective.Barrier();  // every rank finds the weights
  return weights;
}

absl::Status Main(const std::string& command) {
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::FromFlags();
  if (!execution.ok()) return execution.status();
  autograd::Collective& collective = (*execution)->collective();
  if (absl::GetFlag(FLAGS_measure_plans)) autograd::SetConvolutionPlans(autograd::ConvolutionPlans::kMeasured);
  absl::StatusOr<RunOptions> options = OptionsFromFlags();
  if (!options.ok()) return options.status();
  const int number = absl::GetFlag(FLAGS_table);
  absl::StatusOr<Table> table = number != 0 ? MakeTable(number, *options) : MethodRows(*options);
  if (!table.ok()) return table.status();
  std::vector<std::string> chosen = absl::StrSplit(absl::GetFlag(FLAGS_rows), ',', absl::SkipEmpty());
  for (const std::string& row : chosen) {
    bool known = false;
    for (const TableRow& candidate : table->rows) known |= candidate.folder == row;
    if (!known) return absl::InvalidArgumentError(absl::StrCat("--rows: this table has no row ", row));
  }
  // The data is opened once before anything is written, so that a wrong path costs nothing.
  absl::StatusOr<ChosenData> data = OpenChosenData(options->data);
  if (!data.ok()) return data.status();
  absl::StatusOr<std::string> output = FromFirstRank(collective, [&] {
    return ChooseOutputFolder(absl::GetFlag(FLAGS_output), "runs/rss_pascal_context", options->training.resume);
  });
  if (!output.ok()) return output.status();

  std::printf("RSS, %s\n  data    %s\n  preset  %s\n  device  %s\n  output  %s\n", table->title.c_str(),
              data->description.c_str(), PresetName().c_str(), (*execution)->Description().c_str(), output->c_str());
  std::fflush(stdout);

  const bool first_rank = (*execution)->first_rank();
  InterruptHandler interrupt;
  Results results(*table, *options, data->description, *output, command);
  const int seeds = absl::GetFlag(FLAGS_seeds);
  for (int seed = 0; seed < seeds; ++seed) {
    for (size_t i = 0; i < table->rows.size(); ++i) {
      TableRow& row = table->rows[i];
      RunOptions run = row.options;
      run.name = row.name;
      run.training.label = row.name;
      run.training.seed = absl::GetFlag(FLAGS_seed) + static_cast<uint64_t>(seed);
      run.training.directory =
          absl::StrCat(*output, "/", row.folder,
                       seeds > 1 || number != 0 ? absl::StrCat("/seed_", run.training.seed) : std::string());
      const bool wanted = chosen.empty() || std::find(chosen.begin(), chosen.end(), row.folder) != chosen.end();
      if (run.training.resume || !wanted) {
        absl::StatusOr<RunScores> scores = ReadScores(run);
        if (scores.ok()) {
          results.AddScores(i, *scores);
          continue;
        }
        if (wanted && absl::IsInvalidArgument(scores.status())) return scores.status();
      }
      if (!wanted) continue;
      if (row.cold_start && run.cold_start.empty()) {
        if (run.data.name == "pascal_context" || run.data.name == "pascal_context_60") {
          std::printf(
              "%s: skipped, it needs --cold_start=weights.safetensors of a network trained on another dataset\n",
              row.name.c_str());
          continue;
        }
        absl::StatusOr<std::string> weights = MakeColdStart(run, *output, collective, interrupt);
        if (!weights.ok()) return weights.status();
        run.cold_start = *weights;
      } else if (!row.cold_start) {
        run.cold_start.clear();
      }
      std::printf("\n%s, seed %d\n", row.name.c_str(), static_cast<int>(run.training.seed));
      std::fflush(stdout);
      absl::StatusOr<RunResult> result = Run(run, collective, interrupt);
      if (!result.ok()) return result.status();
      if (result->training.interrupted) {
        std::printf("\nStopped after step %lld; everything is saved. Go on with --resume --output=%s\n",
                    static_cast<long long>(result->training.steps), output->c_str());
        return first_rank ? results.Write() : absl::OkStatus();
      }
      results.AddRun(i, *result);
      if (first_rank) {
        if (absl::Status status = WriteScores(run.training.directory, *result); !status.ok()) return status;
        if (absl::Status status = results.Write(); !status.ok()) return status;
      }
      collective.Barrier();  // the next row of every rank finds the scores
    }
  }
  std::printf("\n%s\n", results.Text().c_str());
  return first_rank ? results.Write() : absl::OkStatus();
}

}  // namespace
}  // namespace experiments::rss

int main(int argc, char** argv) {
  std::string command = "bazel run //experiments:rss_pascal_context --";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  return experiments::RunProgram(
      argc, argv, "rss_pascal_context",
      "trains segmentation networks from rewards (RSS) and shows them beside supervised ones.\n\n"
      "  rss_pascal_context                                       embedded scenes, minutes on two cores\n"
      "  rss_pascal_context --table=2 --seeds=3                   the rows of Table 2\n"
      "  rss_pascal_context --dataset=camvid --data_root=DIR      real photographs\n"
      "  rss_pascal_context --dataset=pascal_context --data_root=DIR --preset=paper --init_weights=FILE",
      [&] { return experiments::rss::Main(command); });
}
