#include "autograd/core/parameter.h"

#include <algorithm>
#include <utility>

#include "autograd/core/array_kernels.h"
#include "autograd/core/captured_step.h"

namespace autograd {
namespace {

constexpr int64_t kSmallestBytes = 4096;  // below which nobody cares for the rest of a block

}  // namespace

void Parameter::Set(Array value) {
  state_->value = std::move(value);
  state_->value.MarkPersistent();
  state_->gradient = Array();
  state_->has_gradient = false;
  state_->bfloat16_copy = Array();  // of another shape, perhaps
  Changed();
}

Array& Parameter::mutable_value() {
  Changed();
  return state_->value;
}

void Parameter::Changed() {
  if (const uint64_t recording = CurrentRecording(); recording != 0) {
    state_->recording = recording;
    state_->recorded_copy_is_right = false;
  }
  OnEachRun([state = state_.get()] { ++state->version; });
}

Parameter::Rewritten Parameter::Rewrite() {
  // Kernels may leave elements, or all, as they are: only a copy that was right stays right.
  const bool copied = state_->CopyIsRight();
  Changed();
  if (copied) state_->MarkCopyRight();
  return {state_->value, copied ? state_->bfloat16_copy.data<BFloat16>() : nullptr};
}

Array& Parameter::gradient() {
  if (!state_->gradient.defined()) {
    Require(defined(), "Parameter", "has no value, so no gradient");
    OperationScope scope("Parameter::gradient");
    state_->gradient = ZerosLike(state_->value);
    state_->gradient.MarkPersistent();
    state_->has_gradient = true;
  }
  return state_->gradient;
}

void Parameter::ClearGradient() {
  if (!state_->gradient.defined()) return;
  if (state_->value.device().type == DeviceType::kCpu) {
    state_->gradient = Array();
  } else {
    Stream::Current().FillZero(state_->gradient.raw(), state_->gradient.bytes());
  }
}

bool Parameter::TakeGradient(Array& array) {
  State& state = *state_;
  if (state.gradient.defined() || state.value.device().type != DeviceType::kCpu) return false;
  if (array.dtype() != state.value.dtype()) {
    OperationScope scope("Parameter::gradient");
    Array converted = EmptyLike(state.value);
    kernels::Convert(Stream::Current(), array, converted);
    array = std::move(converted);
  }
  // A piece of something larger would keep all of it.
  const bool is_whole = array.storage_bytes() < 2 * std::max<int64_t>(array.bytes(), kSmallestBytes);
  if (!array.Unshared() || !is_whole) return false;
  state.gradient = array.Reshape(shape());
  array = Array();
  state.gradient.MarkPersistent();
  state.has_gradient = true;
  return true;
}

const Array& Parameter::BFloat16Copy() {
  if (!state_->bfloat16_copy.defined()) {
    state_->bfloat16_copy = Array::Empty(shape(), kBFloat16);
    state_->bfloat16_copy.MarkPersistent();
  }
  if (!state_->CopyIsRight()) {
    kernels::Convert(Stream::Current(), state_->value, state_->bfloat16_copy);
    state_->MarkCopyRight();
  }
  return state_->bfloat16_copy;
}

bool Parameter::State::CopyIsRight() {
  if (!bfloat16_copy.defined()) return false;
  const uint64_t now = CurrentRecording();
  if (now == 0) return bfloat16_version == version;
  if (recording != now) {
    recording = now;
    recorded_copy_is_right = true;
    BeforeEachRun([this] { ConvertIfChanged(); });
  }
  return recorded_copy_is_right;
}

void Parameter::State::MarkCopyRight() {
  recorded_copy_is_right = true;
  OnEachRun([this] { bfloat16_version = version; });
}

void Parameter::State::ConvertIfChanged() {
  if (bfloat16_version == version || !bfloat16_copy.defined()) return;
  kernels::Convert(Stream::Current(), value, bfloat16_copy);
  bfloat16_version = version;
}

}  // namespace autograd
