#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace experiments {

// Named numbers in the order they are shown: {{"loss", 0.43}, {"reward", 0.71},
// {"mIoU", 0.65}}. NaN is left out.
using ProgressValues = std::vector<std::pair<std::string, double>>;

// Everything one progress line tells.
struct ProgressState {
  int64_t step = 0;
  int64_t total_steps = 0;
  double steps_per_second = 0.0;  // 0 while unknown.
  ProgressValues values;
};

// " 37 % ████████▌             1480/4000  loss 0.431  reward 0.713  mIoU 0.652  12.4 steps/s  3:21 left", at
// most `width` columns: when there is no room the bar goes first, then the rate, the count of steps, and the
// values from the last to the first. width ≤ 0 means a plain line, without a bar and of any length.
std::string FormatProgressLine(const ProgressState& state, int width);

// One line that redraws itself on a terminal; elsewhere (a file, a job log) a plain line now and then.
class Progress {
 public:
  struct Options {
    std::function<int()> terminal_width;  // Columns; ≤ 0 when `out` is no terminal.
    absl::Duration redraw_interval = absl::Milliseconds(100);
    absl::Duration plain_interval = absl::Seconds(30);
    std::function<absl::Time()> clock;
  };

  // Draws on standard error, as a terminal when it is one.
  static Options StandardError();

  // Of a run of `total_steps` steps that starts (or resumes) after `first_step` of
  // them. `out` outlives this object.
  Progress(int64_t first_step, int64_t total_steps, std::ostream* out, Options options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `step` steps are done. Cheap enough for every step: draws only when the
  // interval has passed or all are done.
  void Update(int64_t step, const ProgressValues& values);

  // A lasting line above the progress line.
  void Print(absl::string_view line);

  // Draws the last state and leaves the line. Called by the destructor if needed.
  void Finish();

 private:
  void Draw();
  void ClearLine();

  std::ostream* out_;
  Options options_;
  ProgressState state_;
  absl::Time last_drawn_ = absl::InfinitePast();
  bool line_open_ = false;
  bool finished_ = false;
  bool drawn_latest_ = true;
  // Recent (time, step) pairs: the rate is theirs, so that it follows a change
  // of phase, but not one slow step.
  std::deque<std::pair<absl::Time, int64_t>> recent_;
};

}  // namespace experiments
