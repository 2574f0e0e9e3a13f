#include "experiments/runner/training_state.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/checkpoints/weights.h"

namespace experiments {

void TrainingState::Fields(nn::FieldVisitor& visitor) {
  nn::ModuleReference model = segmenter.module();
  visitor.Field("model", model);
  visitor.Field("optimizer", optimizer);
  if (average != nullptr) visitor.Field("average", *average);
}

absl::Status SaveTrainingState(const std::string& path, TrainingState& state) {
  return nn::SaveWeights(path, nn::ModuleReference(state),
                         {{"step", absl::StrCat(state.step)},
                          {"seed", absl::StrCat(state.seed)},
                          {"network", state.segmenter.Description()}});
}

absl::Status LoadTrainingState(const std::string& path, TrainingState& state) {
  int64_t step = 0;
  {
    absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    const nn::Metadata& metadata = file->metadata();
    auto entry = [&](const char* name) {
      const auto found = metadata.find(name);
      return found == metadata.end() ? std::string() : found->second;
    };
    if (!absl::SimpleAtoi(entry("step"), &step) || step < 0) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": metadata 'step' is '", entry("step"),
                                                     "', not a step count: this is no training checkpoint"));
    }
    if (entry("network") != state.segmenter.Description()) {
      return absl::FailedPreconditionError(absl::StrCat(path, ": is a checkpoint of '", entry("network"), "', not of '",
                                                        state.segmenter.Description(), "'"));
    }
    if (entry("seed") != absl::StrCat(state.seed)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": was started with --seed=", entry("seed"), ", not ", state.seed));
    }
  }
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, nn::ModuleReference(state));
  if (!report.ok()) return report.status();
  state.step = step;
  return absl::OkStatus();
}

}  // namespace experiments
