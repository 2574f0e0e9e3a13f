#pragma once

#include <vector>

#include "nn/module.h"

namespace experiments {

// What a module was before a step, to go back to when the step fails: its buffers (running statistics, which a forward
// pass changes), and where asked for its parameters.
class StateSnapshot {
 public:
  StateSnapshot(const nn::ModuleReference& module, bool with_parameters) : buffers_(nn::NamedBuffers(module)) {
    if (with_parameters) parameters_ = nn::NamedParameters(module);
    for (const nn::NamedBuffer& buffer : buffers_) copies_.push_back(buffer.array->Copy());
    for (const nn::NamedParameter& named : parameters_) copies_.push_back(named.parameter->value().Copy());
  }

  void Take() {
    for (size_t i = 0; i < buffers_.size(); ++i) copies_[i].CopyFrom(*buffers_[i].array);
    for (size_t i = 0; i < parameters_.size(); ++i)
      copies_[buffers_.size() + i].CopyFrom(parameters_[i].parameter->value());
  }
  void Restore() const {
    for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].array->CopyFrom(copies_[i]);
    for (size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].parameter->mutable_value().CopyFrom(copies_[buffers_.size() + i]);
      parameters_[i].parameter->Changed();
    }
  }

 private:
  std::vector<nn::NamedBuffer> buffers_;
  std::vector<nn::NamedParameter> parameters_;
  std::vector<autograd::Array> copies_;
};

}  // namespace experiments
