// Segments a folder of images: NAME.png, a palette PNG of class indices, and NAME_overlay.png for people.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "data/formats/png.h"
#include "data/formats/read_image.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/overlay.h"
#include "experiments/runner/program.h"
#include "experiments/runner/saved_network.h"

ABSL_FLAG(std::string, checkpoint, "", "weights.safetensors of a trained network");
ABSL_FLAG(std::string, input, "", "an image, or a folder of .png, .jpg and .jpeg files");
ABSL_FLAG(std::string, output, "", "folder for the label maps and overlays; created if needed");
ABSL_FLAG(double, image_scale, 1,
          "images are resized to this share of their size for the network; results have the image's size");
ABSL_FLAG(double, opacity, 0.6, "of the classes' colours in the overlay, 0 to 1");

namespace experiments {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<fs::path>> Images(const std::string& input) {
  std::error_code error;
  if (fs::is_regular_file(input, error)) return std::vector<fs::path>{input};
  if (!fs::is_directory(input, error))
    return absl::NotFoundError(absl::StrCat("--input: ", input, " is neither an image nor a folder"));
  std::vector<fs::path> images;
  for (const fs::directory_entry& entry : fs::directory_iterator(input, error)) {
    const std::string extension = absl::AsciiStrToLower(entry.path().extension().string());
    if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") images.push_back(entry.path());
  }
  if (error) return absl::PermissionDeniedError(absl::StrCat("--input: cannot list ", input, ": ", error.message()));
  if (images.empty())
    return absl::NotFoundError(absl::StrCat("--input: ", input, " holds no .png, .jpg or .jpeg file"));
  std::sort(images.begin(), images.end());
  return images;
}

absl::Status Main() {
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::FromFlags();
  if (!execution.ok()) return execution.status();
  if (absl::GetFlag(FLAGS_input).empty())
    return absl::InvalidArgumentError("--input is missing: an image or a folder of images");
  if (absl::GetFlag(FLAGS_output).empty())
    return absl::InvalidArgumentError("--output is missing: the folder to write to");
  const double opacity = absl::GetFlag(FLAGS_opacity), scale = absl::GetFlag(FLAGS_image_scale);
  if (!(opacity >= 0 && opacity <= 1)) return absl::InvalidArgumentError("--opacity must lie in [0, 1]");
  if (!(scale > 0 && scale <= 8)) return absl::InvalidArgumentError("--image_scale must lie in (0, 8]");
  InferenceOptions defaults;
  defaults.scales = {scale};
  const absl::StatusOr<InferenceOptions> options = InferenceFromFlags(defaults);
  if (!options.ok()) return options.status();
  absl::StatusOr<SavedNetwork> network = LoadCheckpoint(absl::GetFlag(FLAGS_checkpoint));
  if (!network.ok()) return network.status();
  absl::StatusOr<std::vector<fs::path>> images = Images(ResolvePath(absl::GetFlag(FLAGS_input)));
  if (!images.ok()) return images.status();
  absl::StatusOr<std::string> folder = CreateOutputFolder(absl::GetFlag(FLAGS_output));
  if (!folder.ok()) return folder.status();

  const data::Normalization normalization(network->info);
  int failures = 0;
  absl::Status first_failure;
  for (size_t i = 0; i < images->size(); ++i) {
    const fs::path& path = (*images)[i];
    absl::StatusOr<data::Image> image = data::ReadImage(path.string());
    absl::Status status = image.status();
    if (status.ok()) {
      const data::LabelMap prediction = Predict(*network->segmenter, *image, normalization, *options);
      const std::string stem = absl::StrCat(*folder, "/", path.stem().string());
      status = data::WritePalettePng(absl::StrCat(stem, ".png"), prediction, network->info.palette);
      if (status.ok())
        status = data::WritePng(absl::StrCat(stem, "_overlay.png"),
                                BlendLabels(*image, prediction, network->info.palette, opacity));
    }
    if (!status.ok()) {
      // One bad file does not cost the others.
      std::fprintf(stderr, "predict: %s\n", std::string(status.message()).c_str());
      if (++failures == 1) first_failure = status;
      continue;
    }
    std::printf("%zu/%zu %s\n", i + 1, images->size(), path.filename().c_str());
  }
  if (failures > 0)
    return absl::DataLossError(absl::StrCat(failures, " of ", images->size(),
                                            " images were not segmented, the first: ", first_failure.message()));
  return absl::OkStatus();
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram(
      argc, argv, "predict",
      "segments images.\n\n  predict --checkpoint=runs/…/weights.safetensors --input=photos --output=maps",
      experiments::Main);
}
