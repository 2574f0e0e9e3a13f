#pragma once

// The flags of the RSS programs, as one value.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/rss/program.h"
#include "experiments/rss/run_options.h"

namespace experiments::rss {

struct Flags {
  RunOptions options;  // the preset with what the flags change
  std::string preset;
  // Which rows: those of a table of the paper (1 to 6), or with 0 those of `method`.
  int table = 0;
  std::string method;
  std::vector<std::string> rows;  // of these only the named ones; empty: all
  int seeds = 1;
  uint64_t first_seed = 0;
  std::string output;
  bool measure_plans = false;
};

// After absl::ParseCommandLine. InvalidArgument names the flag at fault.
absl::StatusOr<Flags> ReadFlags(const Program& program);

}  // namespace experiments::rss
