#include "experiments/report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "experiments/report/display_width.h"

namespace experiments {
namespace {

constexpr absl::string_view kGap = "  ";
constexpr int kGapWidth = 2;
constexpr int kShortestBar = 8;
constexpr int kLongestBar = 30;
constexpr absl::Duration kRateWindow = absl::Seconds(30);
constexpr size_t kRateSamples = 256;

// 0.000512 → "0.000512", 0.4312 → "0.431", 12.3456 → "12.3", 123456 → "123456".
std::string FormatValue(double value) {
  const double size = std::abs(value);
  if (!std::isfinite(value) || size >= 1000.0) return absl::StrFormat("%.0f", value);
  if (size >= 10.0) return absl::StrFormat("%.1f", value);
  if (size >= 0.01 || size == 0.0) return absl::StrFormat("%.3f", value);
  return absl::StrFormat("%.3g", value);
}

std::string FormatDuration(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(seconds));
  const int64_t hours = total / 3600, minutes = total / 60 % 60;
  if (hours >= 48) return absl::StrFormat("%d d %02d h", hours / 24, hours % 24);
  if (hours > 0) return absl::StrFormat("%d:%02d:%02d", hours, minutes, total % 60);
  return absl::StrFormat("%d:%02d", minutes, total % 60);
}

std::string FormatRate(double steps_per_second) {
  if (steps_per_second >= 1.0) return absl::StrFormat("%.1f steps/s", steps_per_second);
  return absl::StrFormat("%.1f s/step", 1.0 / steps_per_second);
}

std::string Bar(double fraction, int columns) {
  static constexpr absl::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(fraction * columns * 8);
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) absl::StrAppend(&bar, "█");
  absl::StrAppend(&bar, kEighths[eighths % 8]);
  bar.append(columns - DisplayWidth(bar), ' ');
  return bar;
}

int StandardErrorWidth() {
  if (!isatty(STDERR_FILENO)) return 0;
  const char* terminal = std::getenv("TERM");
  if (terminal != nullptr && absl::string_view(terminal) == "dumb") return 0;
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string FormatProgressLine(const ProgressState& state, int width) {
  const double fraction =
      state.total_steps > 0 ? std::clamp(static_cast<double>(state.step) / state.total_steps, 0.0, 1.0) : 1.0;
  // Floor, so that 100 % is only ever shown when nothing is left.
  const std::string percent = absl::StrFormat("%3d %%", static_cast<int>(fraction * 100.0));

  // In the order they are shown; a higher rank is dropped earlier.
  struct Field {
    std::string text;
    int rank;
  };
  std::vector<Field> fields = {{absl::StrCat(state.step, "/", state.total_steps), 2000}};
  int rank = 1000;
  for (const auto& [name, value] : state.values) {
    if (!std::isnan(value)) fields.push_back({absl::StrCat(name, " ", FormatValue(value)), rank++});
  }
  if (state.steps_per_second > 0.0) {
    fields.push_back({FormatRate(state.steps_per_second), 3000});
    const double left = (state.total_steps - state.step) / state.steps_per_second;
    if (left > 0.0) fields.push_back({absl::StrCat(FormatDuration(left), " left"), 500});
  }

  const auto join = [&fields](std::string head) {
    for (const Field& field : fields) absl::StrAppend(&head, kGap, field.text);
    return head;
  };
  if (width <= 0) return join(percent);
  while (!fields.empty() && DisplayWidth(join(percent)) > width) {
    fields.erase(
        std::max_element(fields.begin(), fields.end(), [](const Field& a, const Field& b) { return a.rank < b.rank; }));
  }
  const int room = std::min(width - DisplayWidth(join(percent)) - 1, kLongestBar);
  const std::string head = room >= kShortestBar ? absl::StrCat(percent, " ", Bar(fraction, room)) : percent;
  const std::string line = join(head);
  return std::string(TruncateToWidth(line, width));
}

Progress::Options Progress::StandardError() { return {.terminal_width = StandardErrorWidth, .clock = absl::Now}; }

Progress::Progress(int64_t first_step, int64_t total_steps, std::ostream* out, Options options)
    : out_(out), options_(std::move(options)) {
  state_.step = first_step;
  state_.total_steps = total_steps;
  recent_.emplace_back(options_.clock(), first_step);
}

Progress::~Progress() { Finish(); }

void Progress::Update(int64_t step, const ProgressValues& values) {
  const absl::Time now = options_.clock();
  state_.step = step;
  state_.values = values;
  drawn_latest_ = false;

  while (recent_.size() > 2 && (now - recent_[1].first > kRateWindow || recent_.size() >= kRateSamples)) {
    recent_.pop_front();
  }
  // The newest sample slides until it stands off from the one before it, so fast
  // steps do not crowd out the window.
  if (recent_.size() > 1 && now - recent_[recent_.size() - 2].first < kRateWindow / kRateSamples) recent_.pop_back();
  recent_.emplace_back(now, step);
  const double seconds = absl::ToDoubleSeconds(now - recent_.front().first);
  state_.steps_per_second = seconds > 0.0 ? (step - recent_.front().second) / seconds : 0.0;

  const bool terminal = options_.terminal_width() > 0;
  const absl::Duration interval = terminal ? options_.redraw_interval : options_.plain_interval;
  if (step >= state_.total_steps || now - last_drawn_ >= interval) Draw();
}

void Progress::Print(absl::string_view line) {
  ClearLine();
  *out_ << line << "\n";
  if (options_.terminal_width() > 0 && !finished_) Draw();
  out_->flush();
}

void Progress::Finish() {
  if (finished_) return;
  finished_ = true;
  if (!drawn_latest_) Draw();
  if (line_open_) *out_ << "\n" << std::flush;
  line_open_ = false;
}

void Progress::Draw() {
  const int width = options_.terminal_width();
  last_drawn_ = options_.clock();
  drawn_latest_ = true;
  if (width <= 0) {
    *out_ << FormatProgressLine(state_, 0) << "\n" << std::flush;
    return;
  }
  ClearLine();
  // The last column stays free: many terminals wrap as soon as it is filled.
  *out_ << FormatProgressLine(state_, width - 1) << std::flush;
  line_open_ = true;
}

void Progress::ClearLine() {
  constexpr absl::string_view kReturnAndErase = "\r\x1B[K";
  if (line_open_) *out_ << kReturnAndErase;
  line_open_ = false;
}

}  // namespace experiments
