#include "experiments/rss/flags.h"

#include <algorithm>
#include <cstring>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "experiments/runner/output_folder.h"

template <typename T>
using Maybe = absl::optional<T>;  // without a value: what the preset says

ABSL_FLAG(std::string, preset, "",
          "quick (default for scenes): embedded scenes, minutes on a CPU; camvid (default otherwise): real "
          "photographs, an hour on a CPU; paper: the paper's setting, for a GPU");
ABSL_FLAG(std::string, method, "",
          "compare (RSS image-level beside PSL), psl, rss_pixel, rss_image, rss_naive; default: the program's table");
ABSL_FLAG(int, table, 0, "1 to 6: run the rows of that table of the paper and print them beside the paper's numbers");
ABSL_FLAG(std::string, rows, "",
          "with --table: only these rows, by folder name, such as psl,naive (others are shown if they ran before)");
ABSL_FLAG(int, seeds, 1, "how many seeds; results are mean ± standard deviation");
ABSL_FLAG(uint64_t, seed, 0, "the first seed");
ABSL_FLAG(std::string, output, "", "folder for everything written (default: a new runs/PROGRAM_NNN)");
ABSL_FLAG(bool, resume, false, "go on where the run in --output (default: the latest) stopped");
ABSL_FLAG(Maybe<std::string>, precision, absl::nullopt, "of the network's activations: float32 or bfloat16");
ABSL_FLAG(bool, measure_plans, false,
          "on CUDA, time cuDNN's plans and take the fastest; runs may then differ by rounding");
ABSL_FLAG(bool, capture, false,
          "record a whole training step once and replay it, on CUDA as one graph; draws other random numbers");
ABSL_FLAG(
    Maybe<std::string>, dataset, absl::nullopt,
    "scenes, camvid, pascal_context (59 classes), pascal_context_60, voc2012, voc2012_aug, cityscapes, mapillary; "
    "default: scenes, or the program's own where --data_root is given");
ABSL_FLAG(std::string, data_root, "", "folder of the dataset's files");
ABSL_FLAG(Maybe<int>, crop, absl::nullopt,
          "side of training crops in pixels, a multiple of 32; 0: as published for the dataset");
ABSL_FLAG(Maybe<int>, scene_classes, absl::nullopt, "classes of the embedded scenes, 2 to 24");
ABSL_FLAG(Maybe<int64_t>, scene_images, absl::nullopt, "distinct training scenes; 0 never repeats one");
ABSL_FLAG(Maybe<double>, image_scale, absl::nullopt,
          "images are resized to this share of their size; labels are scored at their own size");
ABSL_FLAG(Maybe<std::string>, model, absl::nullopt,
          "network: sfpnext_nano (micro, atto, femto, pico, nano, tiny; or that alone), deeplabv3_resnet101, fcn_…, "
          "semantic_fpn_…, segmenter_eva02_large_patch14to16, …");
ABSL_FLAG(Maybe<double>, drop_path, absl::nullopt,
          "stochastic depth: rate of the encoder's last block; default: what the encoder was published with");
ABSL_FLAG(
    Maybe<double>, auxiliary_weight, absl::nullopt,
    "with labels, of the cross-entropy of an auxiliary head (mmseg: 0.4); deeplabv3_… and fcn_… have one, and none "
    "when they learn from rewards; default: 0, no head");
ABSL_FLAG(std::string, init_weights, "", "public weights of the encoder (.safetensors from timm, torchvision, …)");
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
ABSL_FLAG(Maybe<std::string>, advantage, absl::nullopt,
          "psd (pair-wise spatial difference), grpo (group relative) or posterior (scores as evidence)");
ABSL_FLAG(Maybe<double>, sharpness, absl::nullopt,
          "with --advantage=posterior, maps are drawn from softmax(sharpness * logits)");
ABSL_FLAG(Maybe<std::string>, normalisation, absl::nullopt, "of PSD: nonzero, all, none");
ABSL_FLAG(Maybe<std::string>, reward_classes, absl::nullopt, "classes in a map's mIoU: truth (of the label) or union");
ABSL_FLAG(std::string, reward, "",
          "exec:COMMAND: whole maps are scored by this program (docs/external_reward.md), and no label is learnt from; "
          "default: the mIoU of the labels");
ABSL_FLAG(double, reward_timeout, 300, "seconds that the program of --reward has for a request; 0: any time");
ABSL_FLAG(int, reward_restarts, 1,
          "how often the program of --reward, when it died or hung, is started again and asked the same");
ABSL_FLAG(bool, progressive, false, "coarse scales first, finer ones switched on as training goes");
ABSL_FLAG(Maybe<double>, resampled_share, absl::nullopt,
          "counterfactual pairs: share of cells re-sampled from a common base map; 0 samples independently");
ABSL_FLAG(Maybe<double>, clip, absl::nullopt, "of the probability ratio (ε of GRPO)");
ABSL_FLAG(Maybe<double>, divergence_weight, absl::nullopt,
          "weight of the KL divergence to the policy at the start of the batch");
ABSL_FLAG(Maybe<double>, entropy_weight, absl::nullopt, "weight of the policy's entropy (psd, grpo and pixel rewards)");
ABSL_FLAG(Maybe<int64_t>, evaluate_every, absl::nullopt, "steps between evaluations");
ABSL_FLAG(Maybe<int64_t>, checkpoint_every, absl::nullopt, "steps between checkpoints");
ABSL_FLAG(Maybe<int64_t>, log_every, absl::nullopt, "steps between the rows of log.csv");

namespace experiments::rss {
namespace {

template <typename T, typename Target>
void Override(const Maybe<T>& flag, Target& target) {
  if (flag.has_value()) target = *flag;
}

// Photographs are meant where their folder is given.
std::string DatasetName(const Program& program) {
  const Maybe<std::string> dataset = absl::GetFlag(FLAGS_dataset);
  if (dataset.has_value()) return *dataset;
  return absl::GetFlag(FLAGS_data_root).empty() && absl::GetFlag(FLAGS_preset) != "paper" ? "scenes" : program.dataset;
}

// A dataset of photographs gets the preset made for photographs unless one is named.
std::string PresetName(const std::string& dataset) {
  const std::string preset = absl::GetFlag(FLAGS_preset);
  if (!preset.empty()) return preset;
  return dataset != "scenes" ? "camvid" : "quick";
}

absl::StatusOr<RunOptions> OptionsFromFlags(const Program& program) {
  const std::string dataset = DatasetName(program);
  absl::StatusOr<RunOptions> preset = Preset(PresetName(dataset), dataset);
  if (!preset.ok()) return preset.status();
  RunOptions options = *std::move(preset);
  TrainingOptions& training = options.training;
  options.data.name = dataset;
  if (dataset == "scenes" && program.scene_steps > 0) training.steps = program.scene_steps;
  options.data.root = ResolvePath(absl::GetFlag(FLAGS_data_root));
  Override(absl::GetFlag(FLAGS_crop), options.data.crop);
  Override(absl::GetFlag(FLAGS_scene_classes), options.data.scene_classes);
  Override(absl::GetFlag(FLAGS_scene_images), options.data.scene_images);
  Override(absl::GetFlag(FLAGS_image_scale), options.data.image_scale);
  Override(absl::GetFlag(FLAGS_model), options.model);
  Override(absl::GetFlag(FLAGS_drop_path), options.drop_path);
  Override(absl::GetFlag(FLAGS_auxiliary_weight), options.auxiliary_weight);
  if (const Maybe<std::string> precision = absl::GetFlag(FLAGS_precision); precision.has_value()) {
    if (*precision != "float32" && *precision != "bfloat16")
      return absl::InvalidArgumentError(absl::StrCat("--precision=", *precision, " is not float32 or bfloat16"));
    options.precision = *precision == "float32" ? autograd::kFloat32 : autograd::kBFloat16;
  }
  training.capture = absl::GetFlag(FLAGS_capture);
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
  options.progressive = absl::GetFlag(FLAGS_progressive);
  Override(absl::GetFlag(FLAGS_sharpness), options.sharpness);
  Override(absl::GetFlag(FLAGS_resampled_share), options.resampled_share);
  Override(absl::GetFlag(FLAGS_clip), options.clip);
  Override(absl::GetFlag(FLAGS_divergence_weight), options.divergence_weight);
  Override(absl::GetFlag(FLAGS_entropy_weight), options.entropy_weight);
  Override(absl::GetFlag(FLAGS_evaluate_every), training.evaluate_every);
  Override(absl::GetFlag(FLAGS_checkpoint_every), training.checkpoint_every);
  Override(absl::GetFlag(FLAGS_log_every), training.log_every);
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
    if (*advantage == "psd") {
      options.advantage = AdvantageKind::kPairwiseSpatialDifference;
    } else if (*advantage == "grpo") {
      options.advantage = AdvantageKind::kGroupRelative;
    } else if (*advantage == "posterior") {
      options.advantage = AdvantageKind::kPosterior;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("--advantage=", *advantage, " is not psd, grpo or posterior"));
    }
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
  if (const std::string reward = absl::GetFlag(FLAGS_reward); !reward.empty()) {
    options.reward_command = reward.substr(std::min(reward.size(), std::strlen("exec:")));
    if (reward.rfind("exec:", 0) != 0 || options.reward_command.empty())
      return absl::InvalidArgumentError(absl::StrCat("--reward=", reward, " is not exec:COMMAND"));
    options.reward_directory = ResolvePath(".");
    options.reward_timeout = absl::GetFlag(FLAGS_reward_timeout);
    options.reward_restarts = absl::GetFlag(FLAGS_reward_restarts);
  }
  struct Bound {
    const char* flag;
    double value, least;
  };
  const Bound bounds[] = {{"steps", static_cast<double>(training.steps), 1},
                          {"batch_size", static_cast<double>(training.batch_size), 1},
                          {"log_every", static_cast<double>(training.log_every), 1},
                          {"samples", static_cast<double>(options.samples), 2},
                          {"inner_updates", static_cast<double>(training.inner_updates), 1},
                          {"learning_rate", training.learning_rate, 0},
                          {"last_layer_factor", training.last_layer_factor, 0},
                          {"weight_decay", training.weight_decay, 0},
                          {"clip_norm", training.clip_norm, 0},
                          {"resampled_share", options.resampled_share, 0},
                          {"auxiliary_weight", options.auxiliary_weight, 0},
                          {"reward_timeout", options.reward_timeout, 0},
                          {"reward_restarts", static_cast<double>(options.reward_restarts), 0},
                          {"seeds", static_cast<double>(absl::GetFlag(FLAGS_seeds)), 1}};
  for (const Bound& bound : bounds) {
    if (!(bound.value >= bound.least))
      return absl::InvalidArgumentError(
          absl::StrFormat("--%s=%g must be at least %g", bound.flag, bound.value, bound.least));
  }
  if (options.drop_path.has_value() && !(*options.drop_path >= 0 && *options.drop_path < 1))
    return absl::InvalidArgumentError("--drop_path must lie in [0, 1)");
  if (!(options.sharpness > 0)) return absl::InvalidArgumentError("--sharpness must be above 0");
  if (training.average_decay < 0 || training.average_decay >= 1)
    return absl::InvalidArgumentError("--average_decay must lie in [0, 1)");
  if (options.resampled_share > 1) return absl::InvalidArgumentError("--resampled_share must lie in [0, 1]");
  return options;
}

}  // namespace

absl::StatusOr<Flags> ReadFlags(const Program& program) {
  absl::StatusOr<RunOptions> options = OptionsFromFlags(program);
  if (!options.ok()) return options.status();
  Flags flags;
  flags.options = *std::move(options);
  flags.preset = PresetName(flags.options.data.name);
  flags.method = absl::GetFlag(FLAGS_method);
  flags.table = absl::GetFlag(FLAGS_table);
  if (flags.table != 0 && !flags.method.empty())
    return absl::InvalidArgumentError("--table and --method: one of them says which rows are run");
  if (flags.table == 0 && flags.method.empty()) {
    flags.table = program.table;
    if (flags.table == 0) flags.method = "compare";
  }
  flags.rows = absl::StrSplit(absl::GetFlag(FLAGS_rows), ',', absl::SkipEmpty());
  flags.seeds = absl::GetFlag(FLAGS_seeds);
  flags.first_seed = absl::GetFlag(FLAGS_seed);
  flags.output = absl::GetFlag(FLAGS_output);
  flags.measure_plans = absl::GetFlag(FLAGS_measure_plans);
  return flags;
}

}  // namespace experiments::rss
