#pragma once

// A module under the names, and with the tensors, of another package: to write files that the package reads, and to
// read files that it wrote, by the same two functions as ever.
//
//   nn::RenamedModule theirs(model, NvidiaName);
//   SaveWeights(path, theirs);                  // or
//   LoadWeights(path, theirs); theirs.Split();

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/module.h"

namespace nn {

struct RenamedField {
  std::string name;
  // Where the package stores the tensor in another shape, as a linear layer that is a 1×1 convolution there.
  std::optional<Layout> layout = {};
};

// From a module's name to the package's. Parameters of one name are one tensor there, theirs joined along the first
// axis in the order of Fields: query, key and value.
using FieldNames = std::function<RenamedField(const std::string&)>;

// The module must outlive it, and keep its parameters where they are.
class RenamedModule {
 public:
  RenamedModule(const ModuleReference& module, const FieldNames& names);
  RenamedModule(const RenamedModule&) = delete;
  RenamedModule& operator=(const RenamedModule&) = delete;

  // Parameters and buffers by the package's names. A parameter with a name of its own is the module's; a joined one is
  // a copy, as it was when this was made.
  void Fields(FieldVisitor& visitor);
  // Copies the joined parameters into the module's: after loading.
  void Split();

 private:
  struct Entry {
    RenamedField field;
    std::vector<Parameter*> parts;
    Layout layout;
    Parameter joined;  // undefined for one part
  };

  std::vector<Entry> entries_;
  std::vector<NamedBuffer> buffers_;
};

}  // namespace nn
