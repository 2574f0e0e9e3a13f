#include "experiments/report/display_width.h"

#include <cstddef>

namespace experiments {
namespace {

bool StartsCodePoint(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

int DisplayWidth(absl::string_view text) {
  int columns = 0;
  for (char byte : text) columns += StartsCodePoint(byte) ? 1 : 0;
  return columns;
}

absl::string_view TruncateToWidth(absl::string_view text, int columns) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if (!StartsCodePoint(text[end])) continue;
    if (columns <= 0) break;
    --columns;
  }
  return text.substr(0, end);
}

}  // namespace experiments
