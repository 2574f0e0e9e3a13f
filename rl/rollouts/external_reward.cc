#include "rl/rollouts/external_reward.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"

namespace rl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kChunk = 1 << 16;       // what a pipe holds
constexpr size_t kLongestLine = 256;     // of an answer
constexpr size_t kErrorsKept = 2000;     // characters
constexpr double kPatienceForDying = 1;  // seconds, once a program has closed its standard output

// What the program said, on one line and not too long of it.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::CEscape(text.substr(0, 60)), text.size() > 60 ? "…'" : "'");
}

// The bytes of a request, made as they are sent: a request may be larger than memory should hold twice.
class RequestBytes {
 public:
  RequestBytes(int64_t request, std::span<const int64_t> image_ids, const SampledMaps& maps,
               const std::vector<std::string>& names)
      : image_ids_(image_ids), maps_(maps), names_(names) {
    buffer_ = absl::StrCat("maps 1 ", request, " ", maps.count, " ", maps.height, " ", maps.width, "\n");
  }

  // What comes next; empty at the end.
  absl::string_view Next() {
    while (sent_ == buffer_.size() && map_ < maps_.count) {
      buffer_ = absl::StrCat(names_[image_ids_[map_]], "\n");
      const size_t line = buffer_.size();
      buffer_.resize(line + static_cast<size_t>(maps_.height * maps_.width));
      maps_.Upsample(map_++, reinterpret_cast<uint8_t*>(buffer_.data() + line));
      sent_ = 0;
    }
    return absl::string_view(buffer_).substr(sent_);
  }
  void Sent(size_t bytes) { sent_ += bytes; }

 private:
  const std::span<const int64_t> image_ids_;
  const SampledMaps& maps_;
  const std::vector<std::string>& names_;
  std::string buffer_;
  size_t sent_ = 0;
  int64_t map_ = 0;
};

// Takes an answer as it arrives.
class AnswerReader {
 public:
  AnswerReader(int64_t request, int64_t count) : count_(count), header_(absl::StrCat("scores ", request, " ", count)) {}

  const std::vector<float>& scores() const { return scores_; }
  bool complete() const { return header_seen_ && static_cast<int64_t>(scores_.size()) == count_; }

  // What is wrong with it, or nothing.
  std::string Take(absl::string_view bytes) {
    rest_.append(bytes.data(), bytes.size());
    size_t begin = 0;
    for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      absl::string_view line = absl::string_view(rest_).substr(begin, end - begin);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (std::string wrong = TakeLine(line); !wrong.empty()) return wrong;
    }
    rest_.erase(0, begin);
    if (complete() && !rest_.empty()) return absl::StrCat("wrote ", Quoted(rest_), " behind its ", count_, " scores");
    if (rest_.size() > kLongestLine) return absl::StrCat("answered ", Quoted(rest_), ", which is no line of an answer");
    return "";
  }

 private:
  std::string TakeLine(absl::string_view line) {
    if (!header_seen_) {
      header_seen_ = line == header_;
      return header_seen_ ? "" : absl::StrCat("answered ", Quoted(line), " where '", header_, "' was expected");
    }
    if (complete()) return absl::StrCat("wrote ", Quoted(line), " behind its ", count_, " scores");
    float score = 0;
    if (!absl::SimpleAtof(line, &score))
      return absl::StrCat("gave map ", scores_.size(), " the score ", Quoted(line), ", which is not a number");
    if (!std::isfinite(score))
      return absl::StrCat("gave map ", scores_.size(), " the score ", line, ", which is no number to learn from");
    scores_.push_back(score);
    return "";
  }

  const int64_t count_;
  const std::string header_;
  bool header_seen_ = false;
  std::string rest_;  // of a line
  std::vector<float> scores_;
};

}  // namespace

void ExternalReward::SetImages(std::vector<std::string> names) {
  for (const std::string& name : names)
    autograd::Require(name.find('\n') == std::string::npos, "ExternalReward", "the name ", Quoted(name),
                      " has a line end");
  names_ = std::move(names);
}

absl::StatusOr<std::vector<float>> ExternalReward::Score(std::span<const int64_t> image_ids, const SampledMaps& maps) {
  autograd::Require(static_cast<int64_t>(image_ids.size()) == maps.count, "ExternalReward", image_ids.size(),
                    " image ids for ", maps.count, " maps");
  for (int64_t id : image_ids)
    autograd::Require(id >= 0 && id < static_cast<int64_t>(names_.size()), "ExternalReward", "image ", id, " of ",
                      names_.size(), " with names");
  for (int attempt = 0;; ++attempt) {
    absl::StatusOr<std::vector<float>> scores = Ask(image_ids, maps);
    if (scores.ok()) {
      ++request_;
      return scores;
    }
    program_.reset();
    const bool again = absl::IsUnavailable(scores.status()) || absl::IsDeadlineExceeded(scores.status());
    if (!again || attempt == options_.restarts) return scores;
    std::cerr << scores.status().message() << "\nIt is started again and asked the same (" << attempt + 1 << " of "
              << options_.restarts << ").\n";
  }
}

absl::StatusOr<std::vector<float>> ExternalReward::Ask(std::span<const int64_t> image_ids, const SampledMaps& maps) {
  if (program_ == nullptr) {
    last_errors_.clear();
    absl::StatusOr<std::unique_ptr<ChildProcess>> started = ChildProcess::Start(options_.command, options_.directory);
    if (!started.ok()) return started.status();
    program_ = *std::move(started);
  }
  RequestBytes request(request_, image_ids, maps, names_);
  AnswerReader answer(request_, maps.count);
  const auto progress = [&] {
    return absl::StrCat(" in request ", request_, ", after ", answer.scores().size(), " of ", maps.count, " scores");
  };
  const Clock::time_point start = Clock::now();
  bool errors_open = true;
  std::vector<char> bytes(kChunk);
  for (;;) {
    const absl::string_view outgoing = request.Next();
    if (outgoing.empty() && answer.complete()) return answer.scores();

    int wait = -1;  // milliseconds
    if (options_.timeout_seconds > 0) {
      const double left = options_.timeout_seconds - std::chrono::duration<double>(Clock::now() - start).count();
      if (left <= 0) {
        return Failure(absl::StatusCode::kDeadlineExceeded,
                       absl::StrCat("has not answered within ", options_.timeout_seconds, " s", progress()));
      }
      wait = static_cast<int>(std::min(std::ceil(left * 1000), 1e9));
    }
    // Both directions at once: a program that answers while it still reads cannot block us, nor we it. poll passes over
    // -1.
    pollfd ends[3] = {{program_->output(), POLLIN, 0},
                      {errors_open ? program_->errors() : -1, POLLIN, 0},
                      {outgoing.empty() ? -1 : program_->input(), POLLOUT, 0}};
    if (poll(ends, 3, wait) < 0 && errno != EINTR)
      return Failure(absl::StatusCode::kInternal, absl::StrCat("could not be waited for: ", strerror(errno)));

    if (ends[1].revents != 0) errors_open = ReadErrors();
    if (ends[0].revents != 0) {
      const ssize_t count = read(program_->output(), bytes.data(), bytes.size());
      if (count == 0) {
        const std::string ended = program_->End(kPatienceForDying);
        return Failure(absl::StatusCode::kUnavailable,
                       absl::StrCat(ended == "was still running" ? "closed its standard output" : ended, progress()));
      }
      if (count > 0) {
        if (const std::string wrong = answer.Take({bytes.data(), static_cast<size_t>(count)}); !wrong.empty())
          return Failure(absl::StatusCode::kInvalidArgument, absl::StrCat(wrong, progress()));
      }
    }
    if (ends[2].revents != 0) {
      const ssize_t count = program_->Write(outgoing.data(), std::min(outgoing.size(), kChunk));
      if (count > 0) {
        request.Sent(static_cast<size_t>(count));
      } else if (count < 0 && errno == EPIPE) {
        const std::string ended = program_->End(kPatienceForDying);
        return Failure(
            absl::StatusCode::kUnavailable,
            absl::StrCat(ended == "was still running" ? "stopped reading its standard input" : ended, progress()));
      }
    }
  }
}

// False at the end of the stream.
bool ExternalReward::ReadErrors() {
  char bytes[4096];
  const ssize_t count = read(program_->errors(), bytes, sizeof(bytes));
  if (count <= 0) return count < 0 && (errno == EAGAIN || errno == EINTR);
  std::cerr.write(bytes, count);
  std::cerr.flush();
  last_errors_.append(bytes, static_cast<size_t>(count));
  if (last_errors_.size() > kErrorsKept) {
    const size_t line = last_errors_.find('\n', last_errors_.size() - kErrorsKept);
    last_errors_.erase(0, line == std::string::npos ? last_errors_.size() - kErrorsKept : line + 1);
  }
  return true;
}

// Ends the program.
absl::Status ExternalReward::Failure(absl::StatusCode code, const std::string& what) {
  program_->End(0);
  while (ReadErrors()) {
    // The group is dead, so what it wrote is in the pipe or never will be.
    pollfd end = {program_->errors(), POLLIN, 0};
    if (poll(&end, 1, 0) <= 0) break;
  }
  std::string message = absl::StrCat("the reward program '", options_.command, "' ", what);
  if (last_errors_.empty())
    return absl::Status(code, absl::StrCat(message, "; it wrote nothing to its standard error"));
  while (!last_errors_.empty() && last_errors_.back() == '\n') last_errors_.pop_back();
  absl::StrAppend(&message, "; the last it wrote to its standard error:\n  ");
  for (char c : last_errors_) absl::StrAppend(&message, absl::string_view(&c, 1), c == '\n' ? "  " : "");
  return absl::Status(code, message);
}

}  // namespace rl
