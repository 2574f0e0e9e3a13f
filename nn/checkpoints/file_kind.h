#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace nn {

// What a file is that people take for safetensors, told by its first bytes (a kilobyte is plenty) and its end: "is a
// Git LFS pointer, …", with what to do about it. "" for a file that says nothing of itself. `path` is for its name
// only.
std::string DescribeForeignFile(const std::string& path, absl::string_view first, absl::string_view last);

}  // namespace nn
