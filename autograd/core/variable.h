#pragma once

// A Variable is an Array and the place it came from: a node of the current Tape, a Parameter, or neither.
// Variables are cheap to copy. They do not keep the tape alive, and one that outlives its tape can no longer be
// differentiated (using it under another tape is an Error).

#include "autograd/core/array.h"
#include "autograd/core/parameter.h"

namespace autograd {

class Variable {
 public:
  Variable() = default;
  // A constant: nothing flows back.
  Variable(Array array) : array_(std::move(array)) {}  // NOLINT: implicit on purpose
  // A leaf. The parameter must live until Backward.
  Variable(Parameter& parameter) : array_(parameter.value()), parameter_(&parameter) {}  // NOLINT

  bool defined() const { return array_.defined(); }
  const Array& array() const { return array_; }
  const Shape& shape() const { return array_.shape(); }
  DType dtype() const { return array_.dtype(); }
  int rank() const { return array_.rank(); }
  int64_t size() const { return array_.size(); }
  double Item() const { return array_.Item(); }

  // True when a gradient can flow to it.
  bool tracked() const { return node_ >= 0 || (parameter_ != nullptr && parameter_->trainable()); }
  Parameter* parameter() const { return parameter_; }

  // The same value, cut off from its past.
  Variable Detach() const { return Variable(array_); }

 private:
  friend class Tape;
  Array array_;
  Parameter* parameter_ = nullptr;
  int64_t node_ = -1;
  uint64_t tape_ = 0;
};

}  // namespace autograd
