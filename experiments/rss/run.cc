#include "experiments/rss/run.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/png.h"
#include "experiments/rss/objectives.h"
#include "experiments/rss/without_labels.h"
#include "experiments/runner/network.h"
#include "experiments/runner/overlay.h"
#include "experiments/runner/saved_network.h"
#include "nlohmann/json.hpp"
#include "nn/checkpoints/weights.h"

namespace experiments::rss {
namespace {

constexpr int kExamples = 6;
constexpr double kPublishedScales[] = {0.5, 0.75, 1, 1.25, 1.5, 1.75};

void PrintReport(const char* what, const std::string& path, const nn::LoadReport& report) {
  std::printf("  %s %s\n", what, path.c_str());
  std::string text = report.ToString(), indented = "    ";
  for (char c : text) {
    indented.push_back(c);
    if (c == '\n') indented += "    ";
  }
  std::printf("%s\n", indented.c_str());
}

absl::Status LoadStart(const RunOptions& options, Segmenter& segmenter) {
  if (!options.init_weights.empty()) {
    absl::StatusOr<nn::LoadReport> report = segmenter.LoadEncoder(options.init_weights);
    if (!report.ok())
      return absl::Status(report.status().code(), absl::StrCat("--init_weights: ", report.status().message()));
    PrintReport("encoder weights from", options.init_weights, *report);
  }
  if (!options.cold_start.empty()) {
    nn::LoadOptions load;
    load.strict = false;
    absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(options.cold_start, segmenter.module(), load);
    if (!report.ok()) return report.status();
    if (report->loaded.empty())
      return absl::InvalidArgumentError(
          absl::StrCat("--cold_start: no tensor of ", options.cold_start, " fits the network"));
    PrintReport("cold start from", options.cold_start, *report);
  }
  return absl::OkStatus();
}

std::string ScoresPath(const std::string& directory) { return absl::StrCat(directory, "/scores.json"); }

// What must not change between a run and its being read again.
std::string Fingerprint(const RunOptions& options) {
  std::string text;
  for (const auto& [name, value] : Describe(options)) {
    if (name != "cold start") absl::StrAppend(&text, name, "=", value, ";");
  }
  return text;
}

}  // namespace

absl::StatusOr<RunResult> Run(const RunOptions& options, autograd::Collective& collective,
                              const InterruptHandler& interrupt) {
  absl::StatusOr<ChosenData> chosen = OpenChosenData(options.data);
  if (!chosen.ok()) return chosen.status();
  const data::DatasetInfo& info = chosen->training->info();
  absl::StatusOr<std::unique_ptr<Segmenter>> network =
      MakeNetwork(options.model, info.num_classes(), autograd::RandomKey(options.training.seed).Split("weights"),
                  {.precision = options.precision,
                   .drop_path = options.drop_path,
                   .auxiliary_head = options.supervision == Supervision::kLabels && options.auxiliary_weight > 0});
  if (!network.ok()) return absl::InvalidArgumentError(absl::StrCat("--model: ", network.status().message()));
  Segmenter& segmenter = **network;
  if (absl::Status status = LoadStart(options, segmenter); !status.ok()) return status;

  TrainingOptions training = options.training;
  training.augmentation = chosen->augmentation;
  training.crop_height = chosen->crop_height;
  training.crop_width = chosen->crop_width;
  training.inference = chosen->inference;
  const WithoutLabels without_labels(*chosen->training);
  const data::Dataset& seen =
      options.reward_command.empty() ? *chosen->training : static_cast<const data::Dataset&>(without_labels);
  absl::StatusOr<TrainingResult> result = Train(training, segmenter, seen, *chosen->validation,
                                                MakeObjective(options, info.num_classes()), collective, interrupt);
  if (!result.ok()) return result.status();

  RunResult run;
  run.options = options;
  run.training = *std::move(result);
  run.dataset = info;
  run.data_description = chosen->description;
  run.parameters = nn::ParameterCount(segmenter.module());
  if (options.multi_scale && !run.training.interrupted) {
    InferenceOptions inference = training.inference;
    const double scale = inference.scales.front();
    inference.scales.clear();
    for (double factor : kPublishedScales) inference.scales.push_back(factor * scale);
    inference.flip = true;
    inference.average_logits = true;  // as iSeg, the code RSS comes from
    absl::StatusOr<Evaluation> evaluation =
        Evaluate(segmenter, *chosen->validation, inference, 0, nullptr, &collective);
    if (!evaluation.ok()) return evaluation.status();
    run.multi_scale_mean_iou = evaluation->mean_iou;
  }
  if (run.training.interrupted || collective.rank() != 0) return run;  // files are the first rank's to write

  if (absl::Status status =
          SaveNetwork(absl::StrCat(training.directory, "/weights.safetensors"), segmenter, options.model, info);
      !status.ok())
    return status;
  // Spread over the validation set: neighbours in a video look alike.
  const int64_t images = std::min<int64_t>(chosen->validation->size(), 256);
  for (int i = 0; i < kExamples; ++i) {
    absl::StatusOr<data::Sample> sample = chosen->validation->Load(i * images / kExamples);
    if (!sample.ok()) return sample.status();
    Example example;
    example.prediction = Predict(segmenter, sample->image, data::Normalization(info), training.inference);
    example.image = std::move(sample->image);
    example.label = std::move(sample->label);
    const data::Image picture = PictureGrid(
        {{example.image, ColorLabels(example.label, info.palette), ColorLabels(example.prediction, info.palette),
          ErrorPicture(example.label, example.prediction, info.palette)}});
    if (absl::Status status =
            data::WritePng(absl::StrFormat("%s/pictures/validation_%d.png", training.directory, i + 1), picture);
        !status.ok())
      return status;
    run.examples.push_back(std::move(example));
  }
  std::printf("  %s: mIoU %.2f %%, pixel accuracy %.2f %%, %.0f s, %.0f images/s\n", options.name.c_str(),
              100 * run.training.evaluation.mean_iou, 100 * run.training.evaluation.pixel_accuracy,
              run.training.seconds, run.training.images_per_second);
  for (const TrafficOfAStep& traffic : run.training.traffic) {
    std::printf("    a step brings %.0f bytes in %.2f calls to %s\n", traffic.bytes, traffic.calls,
                traffic.operation.c_str());
  }
  std::fflush(stdout);
  return run;
}

absl::Status WriteScores(const std::string& directory, const RunResult& result) {
  nlohmann::json json;
  json["settings"] = Fingerprint(result.options);
  json["mean_iou"] = result.training.evaluation.mean_iou;
  json["pixel_accuracy"] = result.training.evaluation.pixel_accuracy;
  json["seconds"] = result.training.seconds;
  json["steps"] = result.training.steps;
  if (result.multi_scale_mean_iou.has_value()) json["multi_scale_mean_iou"] = *result.multi_scale_mean_iou;
  for (const CurvePoint& point : result.training.curves.mean_iou) json["curve"].push_back({point.step, point.value});
  return autograd::WriteFileAtomically(ScoresPath(directory), json.dump(1));
}

absl::StatusOr<RunScores> ReadScores(const RunOptions& options) {
  const std::string path = ScoresPath(options.training.directory);
  absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok()) return absl::NotFoundError(text.status().message());
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  try {
    if (json.at("settings").get<std::string>() != Fingerprint(options)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": this run ended with other settings than asked for now; choose another --output or remove it"));
    }
    RunScores scores;
    scores.mean_iou = json.at("mean_iou");
    scores.pixel_accuracy = json.at("pixel_accuracy");
    scores.seconds = json.at("seconds");
    scores.steps = json.at("steps");
    if (json.contains("multi_scale_mean_iou")) scores.multi_scale_mean_iou = json.at("multi_scale_mean_iou");
    for (const auto& point : json.at("curve")) scores.curve.push_back({point.at(0), point.at(1)});
    return scores;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
}

}  // namespace experiments::rss
