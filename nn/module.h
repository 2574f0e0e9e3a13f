#pragma once

// A module is a plain struct of Parameters, buffers (Arrays that are state but have no gradient, such as running means)
// and other modules. It names them once, in Fields, under the names of its public PyTorch twin:
//
//   struct Mlp {
//     nn::Linear fc1, fc2;
//     void Fields(nn::FieldVisitor& visitor) {
//       visitor.Field("fc1", fc1);
//       visitor.Field("fc2", fc2);
//     }
//   };
//
// Everything else follows from that list: parameter counts, optimizers, moving averages, checkpoints. Optimizers and
// training states have Fields as well, so one file can hold them all.
//
// Variables refer to the Parameter objects of a module: do not move a module between a forward pass and its Backward.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/core/parameter.h"
#include "autograd/core/shape.h"
#include "autograd/core/variable.h"
#include "autograd/runtime/random.h"

namespace nn {

using autograd::Array;
using autograd::DType;
using autograd::Parameter;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Variable;

// What a tensor means, hence how PyTorch stores it (nn/checkpoints/layouts.h converts).
enum class Layout : uint8_t {
  kPlain,            // the same shape here and there: biases, norms, tokens, buffers
  kLinear,           // (O, I)            there (O, I)
  kPointwiseConv2d,  // (O, I)            there (O, I, 1, 1)
  kConv2d,           // (O, KH, KW, I)    there (O, I, KH, KW)
  kDepthwiseConv2d,  // (KH, KW, C)       there (C, 1, KH, KW)
};

class FieldVisitor;

template <typename M>
concept Module = requires(M& module, FieldVisitor& visitor) {
  module.Fields(visitor);
};

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  void Field(std::string_view name, Parameter& parameter, Layout layout = Layout::kPlain);
  void Field(std::string_view name, Array& buffer);

  template <Module M>
  void Field(std::string_view name, M& module) {
    const size_t length = prefix_.size();
    prefix_.append(name);
    if (!name.empty()) prefix_.push_back('.');
    module.Fields(*this);
    prefix_.resize(length);
  }
  // "name.0", "name.1", …
  template <Module M>
  void Field(std::string_view name, std::vector<M>& modules) {
    for (size_t i = 0; i < modules.size(); ++i) Field(std::string(name) + "." + std::to_string(i), modules[i]);
  }
  template <Module M>
  void Field(std::string_view name, std::optional<M>& module) {
    if (module.has_value()) Field(name, *module);
  }

 protected:
  virtual void OnParameter(const std::string& path, Parameter& parameter, Layout layout) = 0;
  virtual void OnBuffer(const std::string& path, Array& buffer) = 0;

 private:
  std::string prefix_;
};

// Any module by reference, for functions that are not templates. The module must outlive it.
class ModuleReference {
 public:
  template <Module M>
  requires(!std::same_as<M, ModuleReference>) ModuleReference(M& module)  // NOLINT: implicit on purpose
      : fields_([&module](FieldVisitor& visitor) { module.Fields(visitor); }) {}

  void Fields(FieldVisitor& visitor) const { fields_(visitor); }

 private:
  std::function<void(FieldVisitor&)> fields_;
};

struct NamedParameter {
  std::string name;
  Parameter* parameter;
  Layout layout;
};

struct NamedBuffer {
  std::string name;
  Array* array;
};

// In the order of Fields. A name that occurs twice is an Error.
std::vector<NamedParameter> NamedParameters(const ModuleReference& module);
std::vector<NamedBuffer> NamedBuffers(const ModuleReference& module);

// Elements of all parameters; of those that train.
int64_t ParameterCount(const ModuleReference& module);
int64_t TrainableParameterCount(const ModuleReference& module);

void SetTrainable(const ModuleReference& module, bool trainable);
void ClearGradients(const ModuleReference& module);

// A table "name, shape, elements", one line a tensor, with totals.
std::string Summary(const ModuleReference& module);

}  // namespace nn
