#pragma once

// How long a run is, and what it shows and keeps on the way.

#include <cstdint>

#include "experiments/settings/settings.h"

namespace experiments {

struct TrainingOptions {
  int64_t steps = 1000;
  int batch_size = 16;  // of this rank
  int loader_threads = 1;

  int64_t evaluate_every = 250;    // 0: only at the end
  int64_t evaluation_images = 0;   // before the end; 0: all
  int64_t checkpoint_every = 500;  // 0: only at the end and on Ctrl-C
  int64_t log_every = 10;

  void Settings(SettingVisitor& visitor);
};

}  // namespace experiments
