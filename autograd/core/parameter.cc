#include "autograd/core/parameter.h"

#include "autograd/core/array_kernels.h"
#include "autograd/core/captured_step.h"

namespace autograd {

void Parameter::Set(Array value) {
  state_->value = std::move(value);
  state_->value.MarkPersistent();
  state_->gradient = Array();
  Changed();
}

Array& Parameter::gradient() {
  if (!state_->gradient.defined()) {
    Require(defined(), "Parameter", "has no value, so no gradient");
    OperationScope scope("Parameter::gradient");
    state_->gradient = ZerosLike(state_->value);
    state_->gradient.MarkPersistent();
  }
  return state_->gradient;
}

void Parameter::ClearGradient() {
  if (state_->gradient.defined()) {
    Stream::Current().FillZero(state_->gradient.raw(), state_->gradient.bytes());
  }
}

const Array& Parameter::BFloat16Copy() {
  if (state_->bfloat16_version != state_->version || RunsAgain()) {
    if (!state_->bfloat16_copy.defined()) {
      state_->bfloat16_copy = Array::Empty(shape(), kBFloat16);
      state_->bfloat16_copy.MarkPersistent();
    }
    kernels::Convert(Stream::Current(), state_->value, state_->bfloat16_copy);
    state_->bfloat16_version = state_->version;
  }
  return state_->bfloat16_copy;
}

}  // namespace autograd
