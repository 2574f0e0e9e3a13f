#pragma once

// A Parameter is a named leaf: a float32 (or float64) value, a gradient, and the attributes by which optimizers group
// it. It moves but does not copy; what it holds stays where it is, but for the gradient on the CPU.

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
  // For averages and loaders, which write in place. The call is itself a change; who keeps the reference and writes
  // later calls Changed() then. In a recorded step the value changes at each of its Runs.
  Array& mutable_value();
  void Changed();
  uint64_t version() const { return state_->version; }
  // For kernels that change the value and, where `bfloat16_copy` is not null, write each element that they change there
  // too, rounded to nearest even: BFloat16Copy() then has nothing left to convert. The call is itself a change.
  struct Rewritten {
    Array& value;
    BFloat16* bfloat16_copy;
  };
  Rewritten Rewrite();
  const Shape& shape() const { return state_->value.shape(); }
  int64_t size() const { return state_->value.size(); }

  // Replaces the value (and forgets the gradient).
  void Set(Array value);

  // Zero until a backward pass adds to it. Allocated on first use; on a device its address never changes after that.
  Array& gradient();
  // Whether there was a gradient since Set(), be it zero now: optimizers move no other parameters.
  bool has_gradient() const { return state_->has_gradient; }
  // Makes it zero. On the CPU it also gives its memory back, until gradient() is asked for or a backward pass has an
  // array to put there: forward passes then need no room for gradients.
  void ClearGradient();
  // For the first addition to a gradient that is zero: where that has no memory, makes an array of the value's size it,
  // if nobody else refers to the array (or its dtype is another, in a new one). Else false, and the caller adds.
  bool TakeGradient(Array& array);

  // The value rounded to bfloat16, converted where it has changed but by Rewrite(). A recorded step finds the copy
  // right at the beginning of each Run, whoever has changed the value since the one before, and converts what it
  // changes.
  const Array& BFloat16Copy();

  // A frozen parameter gets no gradient and optimizers skip it.
  bool trainable() const { return state_->trainable; }
  void set_trainable(bool trainable) { state_->trainable = trainable; }

 private:
  friend class Variable;
  struct State {
    Array value, gradient, bfloat16_copy;
    uint64_t version = 0, bfloat16_version = ~uint64_t{0};
    bool trainable = true, has_gradient = false;
    // In the recording of that number, whose kernels have not run: whether the copy is right where it has come to.
    uint64_t recording = 0;
    bool recorded_copy_is_right = false;

    bool CopyIsRight();
    void MarkCopyRight();
    void ConvertIfChanged();
  };
  std::unique_ptr<State> state_;
};

}  // namespace autograd
