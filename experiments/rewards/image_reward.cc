#include "experiments/rewards/image_reward.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "experiments/rewards/label_reward.h"
#include "rl/rollouts/external_reward.h"

namespace experiments {

std::string ImageName(const data::Batch& batch, int slot) {
  std::string name = batch.ids[slot];
  for (const data::GeometryStep& step : batch.geometries[slot])
    absl::StrAppend(&name, "\t", step.name, step.numbers.empty() ? "" : " ", absl::StrJoin(step.numbers, " "));
  return name;
}

void ExternalRewardOptions::Settings(SettingVisitor& visitor) {
  BoundSetting& reward = visitor.Setting("reward", command, "exec:COMMAND scores whole maps; no label is learnt from");
  reward.parse = [this](absl::string_view text, std::string& error) {
    if (text.empty() || (absl::ConsumePrefix(&text, "exec:") && !text.empty())) {
      command = std::string(text);
      return true;
    }
    error = "it is not exec:COMMAND";
    return false;
  };
  reward.text = [this] { return command.empty() ? command : absl::StrCat("exec:", command); };
  visitor.Path("reward_directory", directory, "where the program of --reward starts; default: here")
      .Role(SettingRole::kFree);
  visitor.Setting("reward_timeout", timeout, "seconds it has for a request; 0: any time", AtLeast(0))
      .Role(SettingRole::kFree);
  visitor.Setting("reward_restarts", restarts, "times it is started again for one request", AtLeast(0))
      .Role(SettingRole::kFree);
}

ImageReward MakeImageReward(const ExternalRewardOptions& options, int classes, seg::ClassSet class_set) {
  if (options.command.empty()) {
    auto reward = std::make_unique<MeanIouReward>(classes, class_set);
    auto set_batch = [to = reward.get()](const StepView& view) { to->SetLabels(view.labels); };
    return {std::move(reward), set_batch};
  }
  auto reward = std::make_unique<rl::ExternalReward>(
      rl::ExternalRewardOptions{.command = options.command,
                                .directory = options.directory.empty() ? ResolvePath(".") : options.directory,
                                .timeout_seconds = options.timeout,
                                .restarts = options.restarts});
  auto set_batch = [to = reward.get()](const StepView& view) {
    std::vector<std::string> names;
    for (int slot = 0; slot < view.batch.size; ++slot) names.push_back(ImageName(view.batch, slot));
    to->SetImages(std::move(names));
  };
  return {std::move(reward), set_batch};
}

}  // namespace experiments
