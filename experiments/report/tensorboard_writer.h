#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace experiments {

// Writes what `tensorboard --logdir` shows: scalars, pictures and text.
//
// The file is a TFRecord sequence — length (uint64), masked CRC-32C of the length, payload, masked
// CRC-32C of the payload, all little-endian — of protocol buffers tensorflow.Event, encoded here by
// hand: the six messages involved have not changed since 2016, and the library that would write
// them is larger than this program.
//
// Steps must not decrease. What was added reaches the file within seconds of the next addition; failures to write are
// remembered and reported by Flush.
class TensorBoardWriter {
 public:
  // Creates `directory` when needed and starts a new event file, or, with `resumed_step`, continues
  // the last one there: events of later steps and a record cut short by a crash are dropped first, so
  // no curve runs back over itself.
  static absl::StatusOr<std::unique_ptr<TensorBoardWriter>> Open(const std::string& directory,
                                                                 std::optional<int64_t> resumed_step);

  void AddScalar(absl::string_view tag, double value, int64_t step);  // Stored as float32.
  void AddPicture(absl::string_view tag, absl::string_view png, int64_t step);
  void AddText(absl::string_view tag, absl::string_view markdown, int64_t step);

  absl::Status Flush();

  const std::string& path() const { return path_; }

 private:
  TensorBoardWriter(std::string path, std::ofstream file) : path_(std::move(path)), file_(std::move(file)) {}

  void WriteRecord(absl::string_view event);

  std::string path_;
  std::ofstream file_;
  absl::Time last_flush_ = absl::InfinitePast();
};

}  // namespace experiments
