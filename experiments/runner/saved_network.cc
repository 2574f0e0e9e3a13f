#include "experiments/runner/saved_network.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "experiments/runner/network.h"
#include "experiments/runner/output_folder.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/checkpoints/weights.h"

namespace experiments {
namespace {

std::string Triple(const std::array<float, 3>& values) {
  return absl::StrCat(values[0], " ", values[1], " ", values[2]);
}

bool ParseTriple(const std::string& text, std::array<float, 3>& values) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  if (parts.size() != 3) return false;
  for (int i = 0; i < 3; ++i) {
    if (!absl::SimpleAtof(parts[i], &values[i])) return false;
  }
  return true;
}

}  // namespace

absl::Status SaveNetwork(const std::string& path, Segmenter& segmenter, const std::string& model,
                         const data::DatasetInfo& info) {
  std::vector<std::string> colors;
  for (const data::Color& color : info.palette)
    colors.push_back(absl::StrFormat("%02x%02x%02x", color.red, color.green, color.blue));
  return nn::SaveWeights(path, segmenter.module(),
                         {{"model", model},
                          {"dataset", info.name},
                          {"classes", absl::StrJoin(info.class_names, ",")},
                          {"palette", absl::StrJoin(colors, ",")},
                          {"mean", Triple(info.mean)},
                          {"standard_deviation", Triple(info.standard_deviation)}});
}

absl::StatusOr<SavedNetwork> LoadNetwork(const std::string& path) {
  SavedNetwork network;
  {
    absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    auto entry = [&](const char* name) {
      const auto found = file->metadata().find(name);
      return found == file->metadata().end() ? std::string() : found->second;
    };
    auto wrong = [&](const char* name) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": metadata '", name, "' is '", entry(name),
                       "'; a file written by this project's training describes its network there"));
    };
    network.model = entry("model");
    network.info.name = entry("dataset");
    if (network.model.empty()) return wrong("model");
    network.info.class_names = absl::StrSplit(entry("classes"), ',', absl::SkipEmpty());
    if (network.info.class_names.empty() || network.info.num_classes() > 254) return wrong("classes");
    for (const std::string& text : std::vector<std::string>(absl::StrSplit(entry("palette"), ',', absl::SkipEmpty()))) {
      uint32_t value = 0;
      if (text.size() != 6 || !absl::SimpleHexAtoi(text, &value)) return wrong("palette");
      network.info.palette.push_back(
          {static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
    }
    if (network.info.palette.size() != network.info.class_names.size()) return wrong("palette");
    if (!ParseTriple(entry("mean"), network.info.mean)) return wrong("mean");
    if (!ParseTriple(entry("standard_deviation"), network.info.standard_deviation)) return wrong("standard_deviation");
  }
  absl::StatusOr<std::unique_ptr<Segmenter>> segmenter =
      MakeNetwork(network.model, network.info.num_classes(), autograd::RandomKey(0));
  if (!segmenter.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", segmenter.status().message()));
  network.segmenter = *std::move(segmenter);
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(
      path, network.segmenter->module(), {.rename = nn::RenamePrefixes({{"aux_classifier.", nullptr}})});
  if (!report.ok()) return report.status();
  return network;
}

absl::StatusOr<SavedNetwork> LoadCheckpoint(const std::string& flag) {
  if (flag.empty())
    return absl::InvalidArgumentError("--checkpoint is missing: the weights.safetensors of a trained network");
  return LoadNetwork(ResolvePath(flag));
}

}  // namespace experiments
