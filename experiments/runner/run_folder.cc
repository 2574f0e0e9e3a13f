#include "experiments/runner/run_folder.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/atomic_file.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kCheckpointPrefix = "step_";
constexpr absl::string_view kCheckpointSuffix = ".safetensors";

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  // create_directories is content with an existing plain file of that name.
  if (!error && !fs::is_directory(path, error) && !error) error = std::make_error_code(std::errc::not_a_directory);
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot create the output folder ", path, ": ", error.message()));
  }
  return absl::OkStatus();
}

absl::Status ProveWritable(const std::string& path) {
  const fs::path probe = fs::path(path) / ".write_test";
  std::ofstream file(probe);
  file << "x" << std::flush;
  const bool written = file.good();
  file.close();
  std::error_code ignored;
  fs::remove(probe, ignored);
  if (written) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("cannot write into the output folder ", path, " (permissions, read-only, or disk full)"));
}

std::optional<int64_t> StepOfFileName(absl::string_view name) {
  int64_t step = 0;
  if (!absl::ConsumePrefix(&name, kCheckpointPrefix) || !absl::ConsumeSuffix(&name, kCheckpointSuffix) ||
      !absl::SimpleAtoi(name, &step) || step < 0) {
    return std::nullopt;
  }
  return step;
}

}  // namespace

absl::StatusOr<RunFolder> RunFolder::Open(const std::string& path, bool resume) {
  if (path.empty()) return absl::InvalidArgumentError("the output folder has no name");
  const fs::path root(path);
  for (const fs::path& folder : {root, root / "checkpoints", root / "tensorboard", root / "pictures"}) {
    if (absl::Status status = MakeFolder(folder.string()); !status.ok()) return status;
    if (absl::Status status = ProveWritable(folder.string()); !status.ok()) return status;
    if (const absl::StatusOr<int> removed = autograd::RemoveStaleTemporaryFiles(folder.string()); !removed.ok())
      return removed.status();
  }
  RunFolder directory(path);
  const std::optional<CheckpointFile> latest = directory.LatestCheckpoint();
  if (latest && !resume) {
    return absl::FailedPreconditionError(absl::StrCat(path, " already holds a run that reached step ", latest->step,
                                                      " (", latest->path,
                                                      "): --resume goes on with it, or choose another --output"));
  }
  return directory;
}

std::vector<CheckpointFile> RunFolder::Checkpoints() const {
  std::vector<CheckpointFile> checkpoints;
  std::error_code error;
  for (fs::directory_iterator it(fs::path(path_) / "checkpoints", error), end; !error && it != end;
       it.increment(error)) {
    const std::optional<int64_t> step = StepOfFileName(it->path().filename().string());
    if (step) checkpoints.push_back({*step, it->path().string()});
  }
  std::sort(checkpoints.begin(), checkpoints.end(),
            [](const CheckpointFile& a, const CheckpointFile& b) { return a.step < b.step; });
  return checkpoints;
}

std::optional<CheckpointFile> RunFolder::LatestCheckpoint() const {
  std::vector<CheckpointFile> checkpoints = Checkpoints();
  if (checkpoints.empty()) return std::nullopt;
  return checkpoints.back();
}

absl::Status RunFolder::RemoveOldCheckpoints(int keep) const {
  if (keep < 1) return absl::InvalidArgumentError("at least one checkpoint must be kept");
  const std::vector<CheckpointFile> checkpoints = Checkpoints();
  for (size_t i = 0; i + keep < checkpoints.size(); ++i) {
    std::error_code error;
    fs::remove(checkpoints[i].path, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat("cannot remove ", checkpoints[i].path, ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

std::string RunFolder::CheckpointPath(int64_t step) const {
  const std::string name = absl::StrFormat("%s%09d%s", kCheckpointPrefix, step, kCheckpointSuffix);
  return (fs::path(path_) / "checkpoints" / name).string();
}

std::string RunFolder::TensorBoardPath() const { return (fs::path(path_) / "tensorboard").string(); }
std::string RunFolder::LogPath() const { return (fs::path(path_) / "log.csv").string(); }
std::string RunFolder::PicturesPath() const { return (fs::path(path_) / "pictures").string(); }

}  // namespace experiments
