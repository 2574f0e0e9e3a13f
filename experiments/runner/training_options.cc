#include "experiments/runner/training_options.h"

namespace experiments {

void TrainingOptions::Settings(SettingVisitor& visitor) {
  visitor.Group("Training");
  visitor.Setting("steps", steps, "training steps", AtLeast(1)).Role(SettingRole::kLength);
  visitor.Setting("batch_size", batch_size, "images a step (of each rank)", AtLeast(1));
  visitor.Setting("evaluate_every", evaluate_every, "steps between evaluations; 0: one at the end", AtLeast(0))
      .Role(SettingRole::kFree);
  visitor.Setting("evaluation_images", evaluation_images, "in evaluations before the last; 0: all", AtLeast(0))
      .Role(SettingRole::kFree);
  visitor.Setting("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: one at the end", AtLeast(0))
      .Role(SettingRole::kFree);
  visitor.Setting("log_every", log_every, "steps between rows of log.csv", AtLeast(1)).Role(SettingRole::kFree);
  visitor.Setting("loader_threads", loader_threads, "that read and augment images ahead", AtLeast(1))
      .Role(SettingRole::kFree);
}

}  // namespace experiments
