#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace experiments {

struct CheckpointFile {
  int64_t step = 0;
  std::string path;
};

// The folder that holds everything one run writes:
//   checkpoints/step_000012000.safetensors   tensorboard/   pictures/NAME.png   log.csv   scores.json
//   weights.safetensors
class RunFolder {
 public:
  // Creates `path` with its parents, proves that it can be written and removes the temporary files that killed
  // processes have left there (autograd/runtime/atomic_file.h). Without `resume` a folder that already holds
  // checkpoints is refused (FailedPrecondition), so that no run overwrites another by mistake; with `resume` a folder
  // without checkpoints is fine and starts from nothing, so a job script may always pass it.
  static absl::StatusOr<RunFolder> Open(const std::string& path, bool resume);

  // The checkpoint with the highest step; files still being written (any other name) do not count.
  std::optional<CheckpointFile> LatestCheckpoint() const;
  std::vector<CheckpointFile> Checkpoints() const;  // In ascending order of step.

  // Removes all but the `keep` latest checkpoints, keep ≥ 1.
  absl::Status RemoveOldCheckpoints(int keep) const;

  std::string CheckpointPath(int64_t step) const;
  std::string TensorBoardPath() const;
  std::string LogPath() const;
  std::string PicturesPath() const;
  const std::string& path() const { return path_; }

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace experiments
