#pragma once

// A Parameter is a named leaf: a float32 (or float64) value, a gradient buffer, and the attributes by which optimizers
// group it. It moves but does not copy; what it holds stays where it is, and on a device the gradient's address never
// changes.

#include <memory>
#include <string>

#include "autograd/core/array.h"

namespace autograd {

class Parameter {
 public:
  Parameter() : state_(std::make_unique<State>()) {}
  explicit Parameter(Array value) : Parameter() { Set(std::move(value)); }
  Parameter(Parameter&&) = default;
  Parameter& operator=(Parameter&&) = default;

  bool defined() const { return state_->value.defined(); }
  const Array& value() const { return state_->value; }
  // For optimizers, EMA and loaders, which write in place; call Changed() afterwards.
  Array& mutable_value() { return state_->value; }
  void Changed() { ++state_->version; }
  uint64_t version() const { return state_->version; }
  const Shape& shape() const { return state_->value.shape(); }
  int64_t size() const { return state_->value.size(); }

  // Replaces the value (and forgets the gradient).
  void Set(Array value);

  // Zero until a backward pass adds to it. Allocated on first use.
  Array& gradient();
  bool has_gradient() const { return state_->gradient.defined(); }
  void ClearGradient();

  // The value rounded to bfloat16; computed once per version, and in each run of a recorded step.
  const Array& BFloat16Copy();

  // A frozen parameter gets no gradient and optimizers skip it.
  bool trainable() const { return state_->trainable; }
  void set_trainable(bool trainable) { state_->trainable = trainable; }

 private:
  friend class Variable;
  struct State {
    Array value, gradient, bfloat16_copy;
    uint64_t version = 0, bfloat16_version = ~uint64_t{0};
    bool trainable = true;
  };
  std::unique_ptr<State> state_;
};

}  // namespace autograd
