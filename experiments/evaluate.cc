// Scores a trained network on a dataset's validation split: single scale, several scales, mirrored, sliding windows.

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/formats/png.h"
#include "experiments/runner/dataset_choice.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"
#include "experiments/runner/saved_network.h"
#include "experiments/runner/text_table.h"

ABSL_FLAG(std::string, checkpoint, "", "weights.safetensors of a trained network");
ABSL_FLAG(std::string, dataset, "scenes", "scenes, camvid, pascal_context, pascal_context_60");
ABSL_FLAG(std::string, data_root, "", "folder of the dataset's files");
ABSL_FLAG(int, crop, 64, "size of the embedded scenes");
ABSL_FLAG(double, image_scale, 1, "images are resized to this share of their size before anything else");
ABSL_FLAG(bool, multi_scale, false, "average over --scales");
ABSL_FLAG(std::vector<std::string>, scales, std::vector<std::string>({"0.5", "0.75", "1", "1.25", "1.5", "1.75"}),
          "with --multi_scale");
ABSL_FLAG(bool, flip, false, "average with the mirrored image");
ABSL_FLAG(int, window, 0, "side of sliding windows; 0 takes whole images");
ABSL_FLAG(int, stride, 0, "between windows; 0 is two thirds of the window");
ABSL_FLAG(bool, average_logits, false, "average logits (iSeg), not probabilities (mmsegmentation)");
ABSL_FLAG(int64_t, limit, 0, "only the first images; 0 takes all");
ABSL_FLAG(std::string, output, "",
          "folder for the predictions as label PNGs under the dataset's own values (test servers); empty writes none");

namespace experiments {
namespace {

absl::Status Main() {
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::FromFlags();
  if (!execution.ok()) return execution.status();
  absl::StatusOr<SavedNetwork> network = LoadCheckpoint(absl::GetFlag(FLAGS_checkpoint));
  if (!network.ok()) return network.status();

  DatasetChoice choice;
  choice.name = absl::GetFlag(FLAGS_dataset);
  choice.root = ResolvePath(absl::GetFlag(FLAGS_data_root));
  choice.crop = absl::GetFlag(FLAGS_crop);
  choice.scene_classes = network->info.num_classes();
  choice.image_scale = absl::GetFlag(FLAGS_image_scale);
  absl::StatusOr<ChosenData> chosen = OpenChosenData(choice);
  if (!chosen.ok()) return chosen.status();
  const data::DatasetInfo& info = chosen->validation->info();
  if (info.num_classes() != network->info.num_classes()) {
    return absl::InvalidArgumentError(absl::StrCat("--dataset=", choice.name, " has ", info.num_classes(),
                                                   " classes, the network of --checkpoint ",
                                                   network->info.num_classes()));
  }

  InferenceOptions options = chosen->inference;
  if (absl::GetFlag(FLAGS_multi_scale)) {
    options.scales.clear();
    for (const std::string& text : absl::GetFlag(FLAGS_scales)) {
      double scale = 0;
      if (!absl::SimpleAtod(text, &scale) || !(scale > 0 && scale <= 8))
        return absl::InvalidArgumentError(absl::StrCat("--scales: '", text, "' is not a scale in (0, 8]"));
      options.scales.push_back(scale * choice.image_scale);
    }
  }
  options.flip = absl::GetFlag(FLAGS_flip);
  options.window = absl::GetFlag(FLAGS_window);
  options.stride = absl::GetFlag(FLAGS_stride);
  options.average_logits = absl::GetFlag(FLAGS_average_logits);
  if (options.window < 0 || options.stride < 0)
    return absl::InvalidArgumentError("--window and --stride must not be negative");

  PredictionVisitor visitor;
  if (const std::string asked = absl::GetFlag(FLAGS_output); !asked.empty()) {
    absl::StatusOr<std::string> folder = CreateOutputFolder(asked);
    if (!folder.ok()) return folder.status();
    visitor = [&info, folder = *folder](const data::Sample& sample, const data::LabelMap& prediction) {
      data::LabelMap stored = prediction;
      if (!info.stored_values.empty()) {
        for (uint8_t& value : stored.values) value = info.stored_values[value];
      }
      return data::WriteLabelPng(absl::StrCat(folder, "/", sample.id, ".png"), stored);
    };
  }
  absl::StatusOr<Evaluation> evaluation =
      Evaluate(*network->segmenter, *chosen->validation, options, absl::GetFlag(FLAGS_limit), visitor);
  if (!evaluation.ok()) return evaluation.status();

  TableRows rows = {{"class", "IoU %"}};
  for (int k = 0; k < info.num_classes(); ++k) {
    rows.push_back({info.class_names[k],
                    std::isnan(evaluation->iou[k]) ? "–" : absl::StrFormat("%.2f", 100 * evaluation->iou[k])});
  }
  std::printf("%s on %s, %lld images\n\n%s\nmIoU %.2f %%   pixel accuracy %.2f %%   class accuracy %.2f %%\n",
              network->segmenter->Description().c_str(), info.name.c_str(), static_cast<long long>(evaluation->images),
              FormatTextTable(rows).c_str(), 100 * evaluation->mean_iou, 100 * evaluation->pixel_accuracy,
              100 * evaluation->class_accuracy);
  return absl::OkStatus();
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram(
      argc, argv, "evaluate",
      "scores a trained network.\n\n  evaluate --checkpoint=runs/…/weights.safetensors --dataset=camvid "
      "--data_root=DIR --multi_scale --flip",
      experiments::Main);
}
