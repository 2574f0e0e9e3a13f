#include "nn/checkpoints/prefixes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace nn {

void DropPrefixes(std::initializer_list<absl::string_view> prefixes, absl::string_view& name) {
  const auto drop_one = [&] {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](absl::string_view prefix) { return absl::ConsumePrefix(&name, prefix); });
  };
  while (drop_one()) {
  }
}

bool BeginsWithAny(absl::string_view name, std::initializer_list<absl::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](absl::string_view prefix) { return absl::StartsWith(name, prefix); });
}

}  // namespace nn
