#include "experiments/runner/saved_network.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "experiments/runner/context_flags.h"
#include "experiments/runner/networks.h"
#include "experiments/settings/arguments.h"
#include "experiments/settings/identity.h"
#include "nlohmann/json.hpp"
#include "nn/optimizers/moving_average.h"

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

std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The settings of `options` as a JSON object, and back. The folder of the files is the machine's matter, not the
// network's.
template <typename Options>
std::string SettingsJson(Options options) {
  SettingVisitor visitor;
  options.Settings(visitor);
  nlohmann::json json = nlohmann::json::object();
  for (const SettingValue& setting : ValuesOf(visitor)) {
    if (setting.name != "data_root") json[setting.name] = setting.value;
  }
  return Dump(json);
}

template <typename Options>
bool ReadSettingsJson(const std::string& text, Options& options) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return false;
  SettingVisitor visitor;
  options.Settings(visitor);
  for (const auto& [name, value] : json.items()) {
    BoundSetting* setting = visitor.Find(name);
    std::string error;
    if (setting == nullptr || !value.is_string() || !setting->parse(value.template get<std::string>(), error))
      return false;
  }
  return CheckBounds(visitor).ok();
}

struct ContextOptions {
  seg::ContextInference inference;
  void Settings(SettingVisitor& visitor) { ContextSettings(visitor, inference); }
};

// Files of before had the names joined by commas.
bool ParseNames(const std::string& text, std::vector<std::string>& names) {
  if (text.empty() || text[0] != '[') {
    names = absl::StrSplit(text, ',', absl::SkipEmpty());
  } else {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_array()) return false;
    for (const auto& name : json) {
      if (!name.is_string()) return false;
      names.push_back(name);
    }
  }
  return !names.empty() && names.size() <= 254;
}

// A byte for every class. Files of before have no such list.
bool ParseClassList(const std::string& text, size_t classes, std::vector<uint8_t>& values) {
  if (text.empty()) return true;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return false;
  for (const auto& value : json) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > 255) return false;
    values.push_back(value.get<uint8_t>());
  }
  return values.empty() || values.size() == classes;
}

absl::StatusOr<NetworkDescription> FromMetadata(const std::string& path, const nn::Metadata& metadata) {
  const auto entry = [&](const char* name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? std::string() : found->second;
  };
  const auto wrong = [&](const char* name) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": metadata '", name, "' is '", entry(name),
                     "'; a file written by this project's training describes its network there"));
  };
  NetworkDescription description;
  description.model = entry("model");
  description.info.name = entry("dataset");
  if (description.model.empty()) return wrong("model");
  if (!ParseNames(entry("classes"), description.info.class_names)) return wrong("classes");
  for (const std::string& text : std::vector<std::string>(absl::StrSplit(entry("palette"), ',', absl::SkipEmpty()))) {
    uint32_t value = 0;
    if (text.size() != 6 || !absl::SimpleHexAtoi(text, &value)) return wrong("palette");
    description.info.palette.push_back(
        {static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
  }
  if (description.info.palette.size() != description.info.class_names.size()) return wrong("palette");
  if (!ParseClassList(entry("stored_values"), description.info.class_names.size(), description.info.stored_values))
    return wrong("stored_values");
  description.info.palette_files = entry("palette_files") == "true";
  // Files of before have none, nor have those of most datasets.
  if (!ParseClassList(entry("mirrored_classes"), description.info.class_names.size(),
                      description.info.mirrored_classes))
    return wrong("mirrored_classes");
  for (const uint8_t other : description.info.mirrored_classes) {
    if (other >= description.info.class_names.size()) return wrong("mirrored_classes");
  }
  if (!ParseTriple(entry("mean"), description.info.mean)) return wrong("mean");
  if (!ParseTriple(entry("standard_deviation"), description.info.standard_deviation))
    return wrong("standard_deviation");
  if (const std::string precision = entry("precision"); !precision.empty()) {
    if (precision != "float32" && precision != "bfloat16") return wrong("precision");
    description.precision = precision == "float32" ? autograd::kFloat32 : autograd::kBFloat16;
  }
  description.says_how_scored = !entry("data").empty() && !entry("inference").empty();
  if (!entry("data").empty() && !ReadSettingsJson(entry("data"), description.data)) return wrong("data");
  if (!entry("inference").empty() && !ReadSettingsJson(entry("inference"), description.inference))
    return wrong("inference");
  description.inference.mirrored_classes = description.info.mirrored_classes;
  if (!entry("context").empty()) {
    ContextOptions context;
    if (!ReadSettingsJson(entry("context"), context)) return wrong("context");
    description.context = context.inference;
  }
  if (!entry("latent").empty()) {
    description.latent.emplace();
    if (!ReadSettingsJson(entry("latent"), *description.latent)) return wrong("latent");
  }
  return description;
}

}  // namespace

nn::Metadata ToMetadata(const NetworkDescription& description) {
  std::vector<std::string> colors;
  for (const data::Color& color : description.info.palette)
    colors.push_back(absl::StrFormat("%02x%02x%02x", color.red, color.green, color.blue));
  nn::Metadata metadata = {{"model", description.model},
                           {"precision", autograd::Name(description.precision)},
                           {"dataset", description.info.name},
                           {"classes", Dump(description.info.class_names)},
                           {"palette", absl::StrJoin(colors, ",")},
                           {"stored_values", Dump(description.info.stored_values)},
                           {"palette_files", description.info.palette_files ? "true" : "false"},
                           {"mean", Triple(description.info.mean)},
                           {"standard_deviation", Triple(description.info.standard_deviation)},
                           {"data", SettingsJson(description.data)},
                           {"inference", SettingsJson(description.inference)}};
  if (!description.info.mirrored_classes.empty())
    metadata["mirrored_classes"] = Dump(description.info.mirrored_classes);
  if (description.context.has_value()) metadata["context"] = SettingsJson(ContextOptions{*description.context});
  if (description.latent.has_value()) metadata["latent"] = SettingsJson(*description.latent);
  return metadata;
}

absl::StatusOr<NetworkDescription> ReadDescription(const std::string& path) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  return FromMetadata(path, file->metadata());
}

absl::Status SaveNetwork(const std::string& path, Network& network, const NetworkDescription& description) {
  return nn::SaveWeights(path, network.module(), ToMetadata(description));
}

absl::StatusOr<nn::LoadReport> LoadTrainedWeights(const std::string& path, Network& network, nn::LoadOptions options) {
  bool averaged = false;
  {
    const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    const bool is_checkpoint = file->metadata().contains("step") && file->metadata().contains("network");
    for (const nn::TensorInfo& tensor : file->tensors()) {
      averaged |= is_checkpoint && absl::StartsWith(tensor.name, "average.");
      if (is_checkpoint && absl::StartsWith(tensor.name, "model.")) options.prefix = "model.";
    }
  }
  if (!averaged) return nn::LoadWeights(path, network.module(), options);
  // An average is stored in the shapes of this program, not in those of public files.
  options.prefix = "average.";
  nn::MovingAverage average(network.module(), 0);
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, nn::ModuleReference(average), options);
  if (report.ok()) average.CopyTo(network.module());
  return report;
}

absl::StatusOr<SavedNetwork> LoadNetwork(const std::string& path) {
  SavedNetwork saved;
  absl::StatusOr<NetworkDescription> description = ReadDescription(path);
  if (!description.ok()) return description.status();
  saved.description = *std::move(description);
  absl::StatusOr<std::unique_ptr<Network>> network =
      MakeNetwork(saved.description.model, saved.description.info.num_classes(), autograd::RandomKey(0),
                  {.precision = saved.description.precision,
                   .latent = saved.description.latent.has_value() ? std::optional(saved.description.latent->config)
                                                                  : std::nullopt});
  if (!network.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", network.status().message()));
  saved.network = *std::move(network);
  if (seg::ContextInference* inference = saved.network->context_inference(); inference != nullptr) {
    if (saved.description.context.has_value()) *inference = *saved.description.context;
    saved.description.context = *inference;
  }
  if (saved.description.latent.has_value()) saved.network->latent()->inference = saved.description.latent->inference;
  const absl::StatusOr<nn::LoadReport> report =
      LoadTrainedWeights(path, *saved.network, {.rename = nn::RenamePrefixes({{"aux", nullptr}})});
  if (!report.ok()) return report.status();
  return saved;
}

}  // namespace experiments
