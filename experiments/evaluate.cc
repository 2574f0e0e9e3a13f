// Scores a trained network on a split of a dataset: single scale, several scales, mirrored, sliding windows. Writes what test servers take.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/submission.h"
#include "experiments/runner/dataset_choice.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"
#include "experiments/runner/saved_network.h"
#include "experiments/runner/text_table.h"
#include "seg/metrics/cityscapes_metrics.h"

ABSL_FLAG(std::string, checkpoint, "", "weights.safetensors of a trained network");
ABSL_FLAG(
    std::string, dataset, "scenes",
    "scenes, camvid, pascal_context, pascal_context_60, voc2012, voc2012_aug, cityscapes, mapillary, mapillary_v2");
ABSL_FLAG(std::string, data_root, "", "folder of the dataset's files");
ABSL_FLAG(std::string, split, "val", "val, train, test or another split of the dataset");
ABSL_FLAG(int, crop, 64, "size of the embedded scenes");
ABSL_FLAG(double, image_scale, 1, "images are resized to this share of their size before anything else");
ABSL_FLAG(int64_t, limit, 0, "only the first images; 0 takes all");
ABSL_FLAG(std::string, export, "",
          "folder for the predictions as a test server takes them: <id>.png with the values, and the palette, of the "
          "dataset's own "
          "label files; empty writes none");

namespace experiments {
namespace {

std::string Percent(double score) { return std::isnan(score) ? "–" : absl::StrFormat("%.2f", 100 * score); }

void PrintScores(const data::DatasetInfo& info, const Evaluation& evaluation) {
  TableRows rows = {{"class", "IoU %"}};
  for (int k = 0; k < info.num_classes(); ++k) rows.push_back({info.class_names[k], Percent(evaluation.iou[k])});
  std::printf("\n%s\nmIoU %s %%   pixel accuracy %s %%   class accuracy %s %%\n", FormatTextTable(rows).c_str(),
              Percent(evaluation.mean_iou).c_str(), Percent(evaluation.pixel_accuracy).c_str(),
              Percent(evaluation.class_accuracy).c_str());
}

// The scores of Cityscapes' own program; those of instances only where every image has its instanceIds.
class CityscapesBenchmark {
 public:
  CityscapesBenchmark(std::string root, const data::DatasetInfo& info) : root_(std::move(root)), info_(info) {}

  void Add(const data::Sample& sample, const data::LabelMap& prediction) {
    data::LabelMap truth = data::StoredLabels(info_, sample.label);
    std::replace(truth.values.begin(), truth.values.end(), data::kVoidLabel, uint8_t{0});
    const absl::StatusOr<data::IndexMap> instances = data::ReadCityscapesInstances(root_, info_.split, sample.id);
    has_instances_ &= instances.ok();
    metrics_.Add(truth.values, data::StoredLabels(info_, prediction).values,
                 instances.ok() ? std::span<const uint16_t>(instances->values) : std::span<const uint16_t>());
  }

  // Of the images of all ranks.
  void Print(autograd::Collective& collective) {
    collective.AllReduceSum(metrics_.sums());
    const seg::CityscapesScores scores = metrics_.Scores();
    std::printf("Cityscapes' scores: IoU class %s %%   IoU category %s %%", Percent(scores.mean_class_iou).c_str(),
                Percent(scores.mean_category_iou).c_str());
    if (!OnAnyRank(collective, !has_instances_)) {
      std::printf("   iIoU class %s %%   iIoU category %s %%", Percent(scores.mean_class_instance_iou).c_str(),
                  Percent(scores.mean_category_instance_iou).c_str());
    }
    std::printf("\n");
  }

 private:
  const std::string root_;
  const data::DatasetInfo& info_;
  seg::CityscapesMetrics metrics_;
  bool has_instances_ = true;
};

absl::Status ScoreCheckpoint(Execution& execution) {
  absl::StatusOr<SavedNetwork> network = LoadCheckpoint(absl::GetFlag(FLAGS_checkpoint));
  if (!network.ok()) return network.status();

  DatasetChoice choice;
  choice.name = absl::GetFlag(FLAGS_dataset);
  choice.root = ResolvePath(absl::GetFlag(FLAGS_data_root));
  choice.crop = absl::GetFlag(FLAGS_crop);
  choice.scene_classes = network->info.num_classes();
  choice.image_scale = absl::GetFlag(FLAGS_image_scale);
  absl::StatusOr<EvaluationData> chosen = OpenEvaluationData(choice, absl::GetFlag(FLAGS_split));
  if (!chosen.ok()) return chosen.status();
  const data::DatasetInfo& info = chosen->dataset->info();
  if (info.num_classes() != network->info.num_classes()) {
    return absl::InvalidArgumentError(absl::StrCat("--dataset=", choice.name, " has ", info.num_classes(),
                                                   " classes, the network of --checkpoint ",
                                                   network->info.num_classes()));
  }

  const absl::StatusOr<InferenceOptions> options = InferenceFromFlags(chosen->inference);
  if (!options.ok()) return options.status();

  std::string folder;
  if (const std::string asked = absl::GetFlag(FLAGS_export); !asked.empty()) {
    absl::StatusOr<std::string> created = CreateOutputFolder(asked);
    if (!created.ok()) return created.status();
    folder = *created;
  }
  std::optional<CityscapesBenchmark> cityscapes;
  if (info.name == "cityscapes" && info.labelled) cityscapes.emplace(choice.root, info);
  const PredictionVisitor visitor = [&](const data::Sample& sample, const data::LabelMap& prediction) {
    if (cityscapes) cityscapes->Add(sample, prediction);
    return folder.empty() ? absl::OkStatus() : data::WriteSubmission(folder, info, sample.id, prediction);
  };
  absl::StatusOr<Evaluation> evaluation = Evaluate(*network->segmenter, *chosen->dataset, *options,
                                                   absl::GetFlag(FLAGS_limit), visitor, &execution.collective());
  if (!evaluation.ok()) return evaluation.status();

  std::printf("%s on %s, split %s, %lld images\n", network->segmenter->Description().c_str(), info.name.c_str(),
              info.split.c_str(), static_cast<long long>(evaluation->images));
  if (info.labelled) {
    PrintScores(info, *evaluation);
    if (cityscapes) cityscapes->Print(execution.collective());
  } else {
    std::printf("The labels of this split are the test server's.\n");
  }
  if (!folder.empty()) std::printf("The predictions are in %s.\n", folder.c_str());
  return absl::OkStatus();
}

absl::Status Main() {
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::FromFlags();
  if (!execution.ok()) return execution.status();
  return (*execution)->Run([&] { return ScoreCheckpoint(**execution); });
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram(
      argc, argv, "evaluate",
      "scores a trained network.\n\n  evaluate --checkpoint=runs/…/weights.safetensors --dataset=camvid "
      "--data_root=DIR --multi_scale --flip\n  evaluate --checkpoint=… --dataset=cityscapes --data_root=DIR "
      "--split=test --export=submission",
      experiments::Main);
}
