// Scores a trained network on a split of a dataset: single scale, several scales, mirrored, sliding windows. Writes
// what test servers take.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/datasets/submission.h"
#include "experiments/report/text_table.h"
#include "experiments/runner/context_flags.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/latent_flags.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"
#include "experiments/runner/saved_network.h"
#include "experiments/runner/scorer.h"
#include "experiments/settings/arguments.h"
#include "experiments/settings/enum_text.h"

namespace experiments {

enum class ClassesBy { kName, kPosition };
constexpr EnumText<ClassesBy> kClassesBy[] = {{ClassesBy::kName, "name"}, {ClassesBy::kPosition, "position"}};
bool AbslParseFlag(absl::string_view text, ClassesBy* value, std::string* error) {
  return ParseEnum(text, kClassesBy, value, error);
}
std::string AbslUnparseFlag(ClassesBy value) { return PrintEnum(value, kClassesBy); }

namespace {

constexpr char kUsage[] =
    "scores a trained network as its training did, or otherwise where flags say so.\n\n"
    "  evaluate --checkpoint=runs/…/weights.safetensors\n"
    "  evaluate --checkpoint=… --data_root=DIR --multi_scale --flip\n"
    "  evaluate --checkpoint=… --data_root=DIR --split=test --export=submission\n"
    "  evaluate --checkpoint=… --context_steps=0,2,4,6               a CiSS-Net, Table 1\n\n"
    "Values below are the defaults; those of --checkpoint's network where it is given.";

struct EvaluateOptions {
  std::string checkpoint;
  std::string split = "val";
  int64_t limit = 0;
  std::string export_folder;
  ClassesBy classes_by = ClassesBy::kName;
  int reader_threads = 2;
  DataOptions data;
  ViewFlags views;
  ContextFlags contexts;
  LatentFlags latent;
  ExecutionOptions execution;

  void Settings(SettingVisitor& visitor) {
    visitor.Group("What to score");
    visitor.Path("checkpoint", checkpoint, "weights.safetensors of a trained network, or a training checkpoint");
    visitor.Setting("split", split, "val, train, test or another split of the dataset");
    visitor.Setting("limit", limit, "only the first images; 0: all", AtLeast(0));
    visitor.Path("export", export_folder, "folder for predictions as a test server takes them: ID.png");
    visitor.Setting("classes_by", classes_by, "name: the network's classes are the data's; position: insist");
    data.Settings(visitor);
    views.Settings(visitor);
    contexts.Settings(visitor);
    latent.Settings(visitor);
    execution.Settings(visitor);
    visitor.Setting("loader_threads", reader_threads, "that read images ahead", AtLeast(1));
  }
};

std::string Percent(double score) { return std::isnan(score) ? "–" : absl::StrFormat("%.2f", 100 * score); }

// Several ways to choose context, a line each.
void PrintContexts(const std::vector<seg::ContextInference>& contexts, const std::vector<Evaluation>& evaluations) {
  TableRows rows = {{"context"}};
  for (const Score& score : evaluations[0].scores) rows[0].push_back(absl::StrCat(score.name, " %"));
  for (size_t i = 0; i < contexts.size(); ++i) {
    rows.push_back({ToString(contexts[i])});
    for (const Score& score : evaluations[i].scores) rows.back().push_back(Percent(score.value));
  }
  std::printf("\n%s\n", FormatTextTable(rows).c_str());
}

void PrintScores(const data::DatasetInfo& info, const Evaluation& evaluation) {
  TableRows rows = {{"class", "IoU %"}};
  const std::vector<double> iou = evaluation.confusion.ClassIou();
  for (int k = 0; k < info.num_classes(); ++k) rows.push_back({info.class_names[k], Percent(iou[k])});
  std::printf("\n%s\n", FormatTextTable(SideBySide(rows)).c_str());
  for (const Score& score : evaluation.scores)
    std::printf("%s%s %s %%", &score == &evaluation.scores.front() ? "" : "   ", score.name.c_str(),
                Percent(score.value).c_str());
  std::printf("%s\n", evaluation.scores.empty() ? "There is nothing to score: no pixel has a label." : "");
}

// How images are passed through, and a line for what differs from how the network was scored in training.
absl::StatusOr<InferenceOptions> ChooseInference(const EvaluateOptions& options, const NetworkDescription& network,
                                                 const InferenceOptions& of_data) {
  InferenceOptions base = of_data;
  if (network.says_how_scored) {
    base = network.inference;
    if (options.data.name != "scenes" && options.data.image_scale != network.data.image_scale) {
      std::printf("note: images at %g of their size, by --image_scale; in training at %g\n", options.data.image_scale,
                  network.data.image_scale);
      base.scales = {options.data.image_scale};
    }
    if (options.data.name != network.data.name) {
      // Another dataset has a protocol of its own.
      if (base.scales != of_data.scales)
        std::printf("note: %s is scored at %g of its size\n", options.data.name.c_str(), of_data.scales.front());
      base.scales = of_data.scales;
      base.size = of_data.size;
    }
  } else {
    std::printf("note: the file does not say how its network was scored; images are taken at %g of their size\n",
                options.data.image_scale);
  }
  const absl::StatusOr<InferenceOptions> inference = options.views.Override(std::move(base));
  if (inference.ok() && network.says_how_scored) {
    for (const std::string& note : OtherThanInTraining(network.inference, *inference))
      std::printf("note: %s\n", note.c_str());
  }
  return inference;
}

absl::Status CheckClasses(const EvaluateOptions& options, const data::DatasetInfo& network,
                          const data::DatasetInfo& data) {
  if (network.num_classes() != data.num_classes())
    return absl::InvalidArgumentError(absl::StrCat("--dataset=", options.data.name, " has ", data.num_classes(),
                                                   " classes, the network of --checkpoint ", network.num_classes()));
  if (options.classes_by == ClassesBy::kPosition) return absl::OkStatus();
  for (int k = 0; k < data.num_classes(); ++k) {
    if (network.class_names[k] == data.class_names[k]) continue;
    return absl::InvalidArgumentError(absl::StrCat("--checkpoint: class ", k, " of its network is '",
                                                   network.class_names[k], "', of --dataset=", options.data.name, " '",
                                                   data.class_names[k],
                                                   "'; --classes_by=position compares them all the same"));
  }
  return absl::OkStatus();
}

// The folder for predictions: never one that holds the data's own files.
absl::StatusOr<std::string> ExportFolder(const EvaluateOptions& options) {
  if (options.export_folder.empty()) return std::string();
  if (!options.data.root.empty()) {
    std::error_code error;
    const std::filesystem::path root = std::filesystem::weakly_canonical(options.data.root, error);
    for (std::filesystem::path path = std::filesystem::weakly_canonical(options.export_folder, error);
         path != path.parent_path(); path = path.parent_path()) {
      if (path == root)
        return WrongFlag(
            absl::StrCat("--export: ", options.export_folder, " lies in --data_root, whose labels it would replace"));
    }
  }
  return CreateOutputFolder(options.export_folder);
}

absl::Status Score(const EvaluateOptions& options, Execution& execution) {
  absl::StatusOr<SavedNetwork> saved = LoadNetwork(options.checkpoint);
  if (!saved.ok()) return saved.status();
  const NetworkDescription& description = saved->description;
  absl::StatusOr<EvaluationData> data = OpenEvaluationData(options.data, options.split);
  if (!data.ok()) return data.status();
  const data::DatasetInfo& info = data->dataset->info();
  if (absl::Status status = CheckClasses(options, description.info, info); !status.ok()) return status;
  const absl::StatusOr<InferenceOptions> inference = ChooseInference(options, description, data->inference);
  if (!inference.ok()) return inference.status();
  const absl::StatusOr<std::vector<seg::ContextInference>> contexts =
      options.contexts.Override(description.context, saved->network->description());
  if (!contexts.ok()) return contexts.status();
  const absl::StatusOr<std::optional<seg::LatentInference>> latent =
      options.latent.Override(description.latent, saved->network->description());
  if (!latent.ok()) return latent.status();
  if (latent->has_value()) saved->network->latent()->inference = **latent;
  std::printf("%s", options.latent.OtherThanInTraining(description.latent).c_str());
  if (contexts->size() > 1 && !options.export_folder.empty())
    return WrongFlag("--export takes the predictions of one number of --context_steps");
  const absl::StatusOr<std::string> folder = ExportFolder(options);
  if (!folder.ok()) return folder.status();
  for (const std::string& note : data->dataset->Notes()) std::printf("note: %s\n", note.c_str());

  std::set<std::string> exported;
  const PredictionVisitor visitor = [&](const data::Sample& sample, const data::LabelMap& prediction) -> absl::Status {
    if (folder->empty()) return absl::OkStatus();
    if (!exported.insert(sample.id).second)
      return absl::FailedPreconditionError(
          absl::StrCat("--export: two samples are called ", sample.id, ", and one file cannot hold both predictions"));
    return data::WriteSubmission(*folder, info, sample.id, prediction);
  };
  std::vector<Evaluation> evaluations;
  std::vector<std::string> score_notes;
  for (size_t i = 0; i < std::max<size_t>(contexts->size(), 1); ++i) {
    if (!contexts->empty()) *saved->network->context_inference() = (*contexts)[i];
    const std::unique_ptr<Scorer> scorer = MakeScorer(info, options.data.root);
    absl::StatusOr<Evaluation> evaluation = Evaluate(*saved->network, *data->dataset, *inference, *scorer,
                                                     {.limit = options.limit,
                                                      .reader_threads = options.reader_threads,
                                                      .visitor = visitor,
                                                      .collective = &execution.collective()});
    if (!evaluation.ok()) return evaluation.status();
    evaluations.push_back(*std::move(evaluation));
    score_notes = scorer->Notes();
  }

  std::printf("%s on %s, split %s, %lld images\n", saved->network->description().c_str(), info.name.c_str(),
              info.split.c_str(), static_cast<long long>(evaluations[0].images));
  if (contexts->size() == 1) std::printf("context: %s\n", ToString(contexts->front()).c_str());
  if (!info.labelled) {
    std::printf("The labels of this split are the test server's.\n");
  } else if (contexts->size() > 1) {
    PrintContexts(*contexts, evaluations);
  } else {
    PrintScores(info, evaluations[0]);
  }
  for (const std::string& note : score_notes) std::printf("note: %s\n", note.c_str());
  if (!folder->empty()) std::printf("The predictions are in %s.\n", folder->c_str());
  return absl::OkStatus();
}

// The network's file has the defaults of the flags, so that it is read before them.
absl::Status Main(int argc, char** argv) {
  EvaluateOptions options;
  SettingVisitor settings;
  options.Settings(settings);
  const absl::StatusOr<Arguments> arguments = ParseArguments(std::vector<const char*>(argv + 1, argv + argc), settings);
  if (!arguments.ok()) return arguments.status();
  if (const Assignment* given = FindAssignment(arguments->assignments, "checkpoint"); given != nullptr) {
    const absl::StatusOr<NetworkDescription> network = ReadDescription(ResolvePath(given->text));
    if (!network.ok()) return network.status();
    options.data = network->data;
    if (!network->says_how_scored) options.data.scene_classes = network->info.num_classes();
  }
  const absl::StatusOr<bool> read = ReadCommandLine(argc, argv, "evaluate", kUsage, settings);
  if (!read.ok() || !*read) return read.status();
  if (options.checkpoint.empty())
    return WrongFlag("--checkpoint is missing: the weights.safetensors of a trained network");
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::Open(options.execution);
  if (!execution.ok()) return execution.status();
  return (*execution)->Run([&] { return Score(options, **execution); });
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram("evaluate", [&] { return experiments::Main(argc, argv); });
}
