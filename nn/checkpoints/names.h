#pragma once

// Wrappers around the names of a file: what torch.compile, DataParallel, Lightning and others put before the names of
// the module they wrap.

#include <functional>
#include <string>
#include <vector>

namespace nn {

struct UnwrappedNames {
  std::vector<std::string> names;  // of the file, in its order, without the wrappers
  std::string wrappers;            // what was taken off, "_orig_mod.module."; "" for nothing
};

// How well names fit a model: the number of its tensors that are found under them, -1 for names that cannot be used.
using CountMatches = std::function<int(const std::vector<std::string>& names)>;

// The names without as many known wrappers, repeated and nested, as make them fit best; as they are where nothing fits
// better. `wanted` tensors are a perfect fit, at which the search ends.
UnwrappedNames UnwrapNames(const std::vector<std::string>& names, const CountMatches& count, int wanted);

// A prefix of names which is all that differs: with it taken off those that have it, and the others left away, `wanted`
// tensors are found. "" if there is none.
std::string UnknownPrefix(const std::vector<std::string>& names, const CountMatches& count, int wanted);

// A prefix of the model's names which the file's lack: each of `names` (at least one) is in `model` behind it. "" if
// there is none.
std::string LackingPrefix(const std::vector<std::string>& names, const std::vector<std::string>& model);

}  // namespace nn
