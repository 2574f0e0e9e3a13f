// Segments a folder of images: NAME.png, a palette PNG of class indices, and NAME_overlay.png for people; or NAME.png
// alone, as the evaluation server of the dataset takes it.

#include <cstdio>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/parallel.h"
#include "data/datasets/submission.h"
#include "data/formats/image_files.h"
#include "data/formats/png.h"
#include "data/formats/read_image.h"
#include "experiments/ciss/whole_image.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/context_flags.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/latent_flags.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"
#include "experiments/runner/saved_network.h"
#include "nn/layers/evaluation_scope.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string checkpoint, input, output;
  std::optional<double> image_scale;
  double opacity = 0.6;
  bool submission = false;
  bool ignore_orientation = false;
  ViewFlags views;
  ContextFlags contexts;
  LatentFlags latent;
  bool show_context = false;
  ExecutionOptions execution;

  void Settings(SettingVisitor& visitor) {
    visitor.Group("What to segment");
    visitor.Path("checkpoint", checkpoint, "weights.safetensors of a trained network, or a training checkpoint");
    visitor.Path("input", input, "an image, or a folder of .png, .jpg and .jpeg files");
    visitor.Path("output", output, "folder for the label maps and overlays; created if needed");
    visitor.Setting("image_scale", image_scale, "share of their size for the network; default: as in training",
                    Bounds{0, 8, true});
    visitor.Setting("opacity", opacity, "of the classes' colours in the overlay", In(0, 1));
    visitor.Setting("submission", submission, "maps in the values that the dataset's server takes, no overlays");
    visitor.Setting("ignore_orientation", ignore_orientation, "photos as stored, whatever their orientation tag says");
    views.Settings(visitor);
    contexts.Settings(visitor);
    latent.Settings(visitor);
    visitor.Setting("show_context", show_context, "write NAME_t0.png, NAME_context0.png, … of each step too");
    execution.Settings(visitor);
  }
};

absl::StatusOr<std::vector<fs::path>> Images(const std::string& input) {
  std::error_code error;
  if (fs::is_regular_file(input, error)) return std::vector<fs::path>{input};
  if (!fs::is_directory(input, error))
    return absl::NotFoundError(absl::StrCat("--input: ", input, " is neither an image nor a folder"));
  const absl::StatusOr<data::FolderContents> contents = data::ListFolder(input);
  if (!contents.ok()) return contents.status();
  std::vector<fs::path> images;
  for (const std::string& name : contents->files) {
    if (data::HasImageExtension(name)) images.push_back(fs::path(input) / name);
  }
  if (images.empty())
    return absl::NotFoundError(absl::StrCat("--input: ", input, " holds no .png, .jpg or .jpeg file"));
  return images;
}

struct Outputs {
  std::string name, map, overlay;
};

// Two names for every image: its stem's, or, where those of two images would meet, its whole name's.
absl::StatusOr<std::vector<Outputs>> ChooseOutputs(const std::vector<fs::path>& images, const std::string& folder) {
  const auto of_name = [&](const std::string& name) {
    return Outputs{name, absl::StrCat(folder, "/", name, ".png"), absl::StrCat(folder, "/", name, "_overlay.png")};
  };
  std::map<std::string, int> uses;
  for (const fs::path& image : images) {
    const Outputs outputs = of_name(image.stem().string());
    ++uses[outputs.map];
    ++uses[outputs.overlay];
  }
  std::vector<Outputs> chosen;
  std::set<std::string> taken;
  for (const fs::path& image : images) {
    Outputs outputs = of_name(image.stem().string());
    if (uses[outputs.map] > 1 || uses[outputs.overlay] > 1) outputs = of_name(image.filename().string());
    for (const std::string& path : {outputs.map, outputs.overlay}) {
      if (!taken.insert(path).second)
        return absl::FailedPreconditionError(absl::StrCat("--input: the maps of ", image.filename().string(),
                                                          " and of another image would both be called ", path));
    }
    chosen.push_back(std::move(outputs));
  }
  // Nothing that is read is written.
  std::error_code error;
  for (const fs::path& image : images) {
    const fs::path input = fs::weakly_canonical(image, error);
    for (const Outputs& outputs : chosen) {
      for (const std::string& path : {outputs.map, outputs.overlay}) {
        if (fs::weakly_canonical(path, error) == input)
          return WrongFlag(absl::StrCat("--output: ", folder, " would replace the image ", image.string(),
                                        "; choose another folder"));
      }
    }
  }
  return chosen;
}

// The p-map and the context map of each step, beside the label map at `path`; uncertain is white.
absl::Status WriteSteps(Network& network, const data::Image& image, const InferenceOptions& inference,
                        const data::DatasetInfo& info, const std::string& path) {
  const std::string stem = path.substr(0, path.size() - std::string(".png").size());
  const std::vector<ciss::ContextStep> steps = ciss::TraceContext(
      *ciss::AsCissNet(network), image, data::Normalization(info), inference.scales.front(), autograd::RandomKey(0));
  for (size_t t = 0; t < steps.size(); ++t) {
    absl::Status status =
        data::WritePng(absl::StrCat(stem, "_t", t, ".png"), ColorLabels(steps[t].p_map, info.palette));
    if (status.ok() && !steps[t].context.values.empty())
      status = data::WritePng(absl::StrCat(stem, "_context", t, ".png"),
                              ColorLabels(steps[t].context, info.palette, {255, 255, 255}));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The map and its overlay, or the map for a server.
absl::Status Write(const PredictOptions& options, const data::DatasetInfo& info, const Outputs& outputs,
                   const data::Image& image, const data::LabelMap& prediction) {
  if (options.submission) return data::WriteSubmission(options.output, info, outputs.name, prediction);
  absl::Status status = data::WritePalettePng(outputs.map, prediction, info.palette);
  if (!status.ok()) return status;
  return data::WritePng(outputs.overlay, BlendLabels(image, prediction, info.palette, options.opacity));
}

absl::Status Segment(const PredictOptions& options) {
  if (options.checkpoint.empty())
    return WrongFlag("--checkpoint is missing: the weights.safetensors of a trained network");
  if (options.input.empty()) return WrongFlag("--input is missing: an image or a folder of images");
  if (options.output.empty()) return WrongFlag("--output is missing: the folder to write to");
  if (const absl::Status status = options.views.Override(InferenceOptions()).status(); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::Open(options.execution);
  if (!execution.ok()) return execution.status();
  absl::StatusOr<SavedNetwork> saved = LoadNetwork(options.checkpoint);
  if (!saved.ok()) return saved.status();

  const NetworkDescription& description = saved->description;
  if (options.submission && description.info.stored_values.empty())
    return absl::InvalidArgumentError(absl::StrCat(options.checkpoint, " does not say which values the label files of ",
                                                   description.info.name,
                                                   " store, which --submission needs; evaluate --export knows them"));
  InferenceOptions inference = description.inference;
  if (!description.says_how_scored && !options.image_scale.has_value())
    std::printf("note: the file does not say at which scale its network saw images; 1 is taken (--image_scale)\n");
  if (options.image_scale.has_value() && *options.image_scale != description.data.image_scale) {
    if (description.says_how_scored)
      std::printf("note: images at %g of their size, by --image_scale; in training at %g\n", *options.image_scale,
                  description.data.image_scale);
    inference.scales = {*options.image_scale};
  }
  const absl::StatusOr<InferenceOptions> views = options.views.Override(inference);
  if (!views.ok()) return views.status();
  if (description.says_how_scored) {
    for (const std::string& note : OtherThanInTraining(description.inference, *views))
      std::printf("note: %s\n", note.c_str());
  }

  const absl::StatusOr<std::vector<seg::ContextInference>> contexts =
      options.contexts.Override(description.context, saved->network->description());
  if (!contexts.ok()) return contexts.status();
  const absl::StatusOr<std::optional<seg::LatentInference>> latent =
      options.latent.Override(description.latent, saved->network->description());
  if (!latent.ok()) return latent.status();
  if (latent->has_value()) saved->network->latent()->inference = **latent;
  std::printf("%s", options.latent.OtherThanInTraining(description.latent).c_str());
  if (contexts->size() > 1) return WrongFlag("--context_steps: predict takes one number of steps");
  if (options.show_context && contexts->empty())
    return WrongFlag(absl::StrCat("--show_context: the network of --checkpoint, ", saved->network->description(),
                                  ", has no context net; CiSS-Nets have one"));
  if (!contexts->empty()) *saved->network->context_inference() = contexts->front();
  if (options.show_context && (views->window > 0 || views->scales.size() > 1 || views->flip))
    std::printf("note: the steps that --show_context shows are of whole images, without windows or further views\n");

  const absl::StatusOr<std::vector<fs::path>> images = Images(options.input);
  if (!images.ok()) return images.status();
  const absl::StatusOr<std::vector<Outputs>> outputs = ChooseOutputs(*images, options.output);
  if (!outputs.ok()) return outputs.status();
  if (absl::Status status = CreateOutputFolder(options.output).status(); !status.ok()) return status;

  const data::Normalization normalization(description.info);
  const nn::EvaluationScope scope;
  int failures = 0;
  absl::Status first_failure;
  const auto report = [&](size_t i, const absl::Status& status) {
    if (status.ok()) {
      std::printf("%zu/%zu %s\n", i + 1, images->size(), (*images)[i].filename().c_str());
      return;
    }
    // One bad file does not cost the others.
    std::fprintf(stderr, "predict: %s\n", std::string(status.message()).c_str());
    if (++failures == 1) first_failure = status;
  };
  // While the network sees an image, the next one is read and the one before is written.
  const auto read = [&](size_t i) {
    return std::async([&options, path = (*images)[i].string()] {
      const autograd::SerialScope alone;
      return data::ReadImage(path, {.ignore_orientation = options.ignore_orientation});
    });
  };
  std::future<absl::StatusOr<data::Image>> reading = read(0);
  std::future<absl::Status> writing;
  for (size_t i = 0; i < images->size(); ++i) {
    absl::StatusOr<data::Image> image = reading.get();
    if (i + 1 < images->size()) reading = read(i + 1);
    absl::Status status = image.status();
    data::LabelMap prediction;
    if (status.ok()) {
      prediction = Predict(*saved->network, *image, normalization, *views);
      if (options.show_context)
        status = WriteSteps(*saved->network, *image, *views, description.info, (*outputs)[i].map);
    }
    if (writing.valid()) report(i - 1, writing.get());
    writing = std::async([&options, &description, status, own = (*outputs)[i], image = std::move(image),
                          prediction = std::move(prediction)]() -> absl::Status {
      const autograd::SerialScope alone;
      return status.ok() ? Write(options, description.info, own, *image, prediction) : status;
    });
  }
  report(images->size() - 1, writing.get());
  if (failures > 0)
    return absl::DataLossError(absl::StrCat(failures, " of ", images->size(),
                                            " images were not segmented, the first: ", first_failure.message()));
  return absl::OkStatus();
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram<experiments::PredictOptions>(
      argc, argv, "predict",
      "segments images.\n\n  predict --checkpoint=runs/…/weights.safetensors --input=photos --output=maps",
      experiments::Segment);
}
