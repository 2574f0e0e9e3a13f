#pragma once

#include "absl/strings/string_view.h"

namespace experiments {

// Columns that UTF-8 text takes on a terminal: one a code point. Combining marks and double-width scripts are
// not told apart; the runner prints neither.
int DisplayWidth(absl::string_view text);

// The longest prefix that takes at most `columns`, never cut inside a code point.
absl::string_view TruncateToWidth(absl::string_view text, int columns);

}  // namespace experiments
