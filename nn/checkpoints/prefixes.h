#pragma once

// Beginnings of tensors' names, which tell what wrote a file.

#include <initializer_list>

#include "absl/strings/string_view.h"

namespace nn {

// Takes `prefixes` off the front of `name`, in whatever order and as often as they stand there: with "module." and
// "model." both "module.model.fc.weight" and "model.module.model.fc.weight" become "fc.weight".
void DropPrefixes(std::initializer_list<absl::string_view> prefixes, absl::string_view& name);

bool BeginsWithAny(absl::string_view name, std::initializer_list<absl::string_view> prefixes);

}  // namespace nn
