#pragma once

// Weights of modules in safetensors files, under the names of Fields and in PyTorch's shapes, so that timm, torchvision
// and others read what is written here and the other way round. A training state (model, optimizer, moving average in
// one struct with Fields) goes through the same two functions: nothing is rounded, so a resumed run repeats bit for
// bit.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/module.h"

namespace nn {

// From a name in the file to a name of the module; "" leaves the tensor out without mention.
using Rename = std::function<std::string(const std::string&)>;

// The first pair whose prefix begins the name decides: the prefix is replaced by the second string. {"head.", nullptr}
// leaves names out. Others stay as they are.
struct PrefixRename {
  std::string from;
  const char* to;
};
Rename RenamePrefixes(std::vector<PrefixRename> renames);

struct LoadOptions {
  // Strict: every tensor of the module is in the file with its shape and nothing else is, or an error lists all that is
  // wrong and the module is left as it was. Otherwise what fits by name and shape is loaded (a cold start).
  bool strict = true;
  Rename rename = nullptr;
  // Takes only the tensors below this prefix ("model."), by their names behind it: a part of a file, such as the
  // network of a training checkpoint. NotFound if no name has it.
  std::string prefix = "";
};

struct LoadReport {
  std::vector<std::string> loaded;      // names of the module, as all but the next
  std::vector<std::string> unexpected;  // names of the file (after renaming) that the module does not have
  std::vector<std::string> missing;     // not in the file
  std::vector<std::string> mismatched;  // "name: file (19, 128, 1, 1) F32, model (11, 128, 1, 1)"

  // Known wrappers that were taken off the names of the file because they fit better without ("module.",
  // "_orig_mod.module.").
  std::string unwrapped;
  // What to do if one prefix, of the file's names or the model's, is all that keeps them apart.
  std::string hint;

  bool complete() const { return unexpected.empty() && missing.empty() && mismatched.empty(); }
  // Counts and what was done about names, then the names that were not loaded, one a line, the first ten of each list.
  std::string ToString() const;
};

// `path` is a safetensors file or the index of a sharded one. Names that would fit without the wrappers of
// torch.compile, DataParallel, Lightning and the like ("_orig_mod.", "module.", "model.", "state_dict.", …, nested in
// any order) are taken without them, before `rename`. Floating tensors are converted to the parameter's dtype (F64,
// F32, BF16, F16), integer ones to the buffer's; one with a value that is not finite there is an error that names it,
// and the module is left as it was. Buffers called num_batches_tracked may be missing from the file or in it without
// being asked for.
absl::StatusOr<LoadReport> LoadWeights(const std::string& path, const ModuleReference& module,
                                       const LoadOptions& options = {});

// Parameters and buffers, in the file's dtype of each. Atomic.
absl::Status SaveWeights(const std::string& path, const ModuleReference& module, const Metadata& metadata = {});

}  // namespace nn
