#include "experiments/runner/run.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "nlohmann/json.hpp"

namespace experiments {
namespace {

std::string RecordPath(const RunContext& context) { return absl::StrCat(context.folder, "/scores.json"); }

nlohmann::json CurvesJson(const std::vector<Curve>& curves) {
  nlohmann::json json = nlohmann::json::array();
  for (const Curve& curve : curves) {
    nlohmann::json points = nlohmann::json::array();
    for (const CurvePoint& point : curve.points) {
      if (std::isfinite(point.value)) points.push_back({point.step, point.value});
    }
    json.push_back({{"name", curve.name}, {"points", points}});
  }
  return json;
}

std::vector<Curve> ReadCurves(const nlohmann::json& json) {
  std::vector<Curve> curves;
  for (const auto& entry : json) {
    Curve curve{entry.at("name"), {}};
    for (const auto& point : entry.at("points")) curve.points.push_back({point.at(0), point.at(1)});
    curves.push_back(std::move(curve));
  }
  return curves;
}

}  // namespace

absl::Status WriteRecord(const RunContext& context, const RunRecord& record) {
  nlohmann::json json;
  // Arrays of pairs keep their order, which is that of the columns and of the settings.
  json["settings"] = nlohmann::json::array();
  for (const SettingValue& setting : context.settings) json["settings"].push_back({setting.name, setting.value});
  json["scores"] = nlohmann::json::array();
  for (const Score& score : record.scores) {
    if (std::isfinite(score.value)) json["scores"].push_back({score.name, score.value});
  }
  json["steps"] = record.steps;
  json["seconds"] = record.seconds;
  json["images_per_second"] = record.images_per_second;
  json["loss"] = record.loss_name;
  json["training_curves"] = CurvesJson(record.curves.training);
  json["validation_curves"] = CurvesJson(record.curves.validation);
  return autograd::WriteFileAtomically(RecordPath(context),
                                       json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

absl::StatusOr<RunRecord> ReadRecord(const RunContext& context) {
  const std::string path = RecordPath(context);
  const absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok()) return absl::NotFoundError(text.status().message());
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  try {
    const auto settings = json.at("settings").get<std::vector<std::pair<std::string, std::string>>>();
    if (const auto other = Differences(settings, context.settings, SettingRole::kResult); !other.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(path, ": this run ended with other settings: ", ToString(other),
                                                        "; choose another --output or remove it"));
    }
    if (const auto other = Differences(settings, context.settings, SettingRole::kLength); !other.empty())
      return absl::OutOfRangeError(absl::StrCat(path, ": ", ToString(other)));
    RunRecord record;
    for (const auto& score : json.at("scores")) record.scores.push_back({score.at(0), score.at(1)});
    record.steps = json.at("steps");
    record.seconds = json.at("seconds");
    record.images_per_second = json.at("images_per_second");
    record.loss_name = json.at("loss");
    record.curves.training = ReadCurves(json.at("training_curves"));
    record.curves.validation = ReadCurves(json.at("validation_curves"));
    return record;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
}

}  // namespace experiments
