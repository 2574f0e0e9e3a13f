#include "experiments/rss/image_reward.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "experiments/rss/label_reward.h"
#include "rl/rollouts/external_reward.h"

namespace experiments::rss {

std::string ImageName(const data::Batch& batch, int slot) {
  std::string name = batch.ids[slot];
  for (const data::GeometryStep& step : batch.geometries[slot])
    absl::StrAppend(&name, "\t", step.name, step.numbers.empty() ? "" : " ", absl::StrJoin(step.numbers, " "));
  return name;
}

ImageReward MakeImageReward(const RunOptions& options, int classes) {
  if (options.reward_command.empty()) {
    auto reward =
        std::make_unique<MeanIouReward>(classes, options.union_classes ? seg::ClassSet::kUnion : seg::ClassSet::kTruth);
    auto set_batch = [to = reward.get()](const StepView& view) { to->SetLabels(view.labels); };
    return {std::move(reward), set_batch};
  }
  auto reward =
      std::make_unique<rl::ExternalReward>(rl::ExternalRewardOptions{.command = options.reward_command,
                                                                     .directory = options.reward_directory,
                                                                     .timeout_seconds = options.reward_timeout,
                                                                     .restarts = options.reward_restarts});
  auto set_batch = [to = reward.get()](const StepView& view) {
    std::vector<std::string> names;
    for (int slot = 0; slot < view.batch.size; ++slot) names.push_back(ImageName(view.batch, slot));
    to->SetImages(std::move(names));
  };
  return {std::move(reward), set_batch};
}

}  // namespace experiments::rss
