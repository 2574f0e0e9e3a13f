#pragma once

// A reward from outside: a program of the user's scores the maps. It is started once and reads requests from its
// standard input until the end of file. docs/external_reward.md tells how to write one, in Python or in shell.
//
// A request is lines of UTF-8, each ended by "\n", and bytes between them:
//
//   maps 1 REQUEST COUNT HEIGHT WIDTH        1 is the version of this protocol; REQUEST counts 0, 1, 2, …
//   IMAGE                                    what SetImages called the map's image
//   HEIGHT·WIDTH bytes                       the classes, row by row from the top left; no line end behind them
//   IMAGE                                    … COUNT times in all
//
// The answer is lines on the program's standard output, sent (flushed) before it waits for the next request. It may
// begin before the request is read to its end:
//
//   scores REQUEST COUNT                     the numbers of the request
//   SCORE                                    COUNT times, in the order of the maps: a finite number such as -1e-3
//
// Numbers as text and pixels as bytes: a shell reads a line with `read` and the pixels with `head -c`, Python with
// readline() and read(), nobody needs to know about byte order, and the pixels, which are nearly everything, are not
// made longer. Nothing is written to files. What the program writes to its standard error goes to ours.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rl/rollouts/child_process.h"
#include "rl/rollouts/reward.h"

namespace rl {

struct ExternalRewardOptions {
  std::string command;           // for /bin/sh -c
  std::string directory;         // that it is started in; empty: ours
  double timeout_seconds = 300;  // from a request's first byte to its last score; 0 waits for ever
  // How often a request is asked again, of a program started anew, when the program died or did not answer in time.
  // What it has answered wrongly is never asked again.
  int restarts = 1;
};

class ExternalReward : public HostReward {
 public:
  explicit ExternalReward(ExternalRewardOptions options) : options_(std::move(options)) {}

  // Image id i means names[i] from now on: one line each, without line ends.
  void SetImages(std::vector<std::string> names);

  // One request, with pixels of the maps' full size. Starts the program when it does not run. Unavailable: it could not
  // be started or died; DeadlineExceeded: no answer in time; InvalidArgument: what it answered is not `maps.count`
  // finite numbers. The message has the command, what happened and the last lines of its standard error.
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const SampledMaps& maps) override;

 private:
  absl::StatusOr<std::vector<float>> Ask(std::span<const int64_t> image_ids, const SampledMaps& maps);
  absl::Status Failure(absl::StatusCode code, const std::string& what);
  bool ReadErrors();

  const ExternalRewardOptions options_;
  std::vector<std::string> names_;
  std::unique_ptr<ChildProcess> program_;
  std::string last_errors_;  // the end of what the running program wrote to its standard error
  int64_t request_ = 0;
};

}  // namespace rl
