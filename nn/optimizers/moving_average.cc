#include "nn/optimizers/moving_average.h"

#include "nn/optimizers/update_kernels.h"

namespace nn {
MovingAverage::MovingAverage(const ModuleReference& module, double decay) : decay_(decay) {
  autograd::Require(decay >= 0 && decay <= 1, "MovingAverage", "decay is ", decay);
  for (const NamedParameter& named : NamedParameters(module)) {
    entries_.push_back({named.name, named.parameter, nullptr, named.parameter->value().Copy()});
  }
  for (const NamedBuffer& named : NamedBuffers(module)) {
    entries_.push_back({named.name, nullptr, named.array, named.array->Copy()});
  }
  for (Entry& entry : entries_) entry.average.MarkPersistent();
}

void MovingAverage::Update(const Array& sound) {
  std::vector<autograd::AverageTensor> tensors;
  for (Entry& entry : entries_) {
    if (entry.value().dtype() == autograd::kFloat32) {
      tensors.push_back({entry.average.data<float>(), entry.value().data<float>(), entry.average.size()});
    } else {
      entry.average.CopyFrom(entry.value());
    }
  }
  autograd::kernels::UpdateAverage(autograd::Stream::Current(), tensors,
                                   {static_cast<float>(decay_), static_cast<float>(1 - decay_)}, sound);
}

void MovingAverage::Swap() {
  for (Entry& entry : entries_) {
    const Array value = entry.value().Copy();
    entry.mutable_value().CopyFrom(entry.average);
    entry.average.CopyFrom(value);
  }
}

void MovingAverage::CopyTo(const ModuleReference& other) const {
  const std::vector<NamedParameter> parameters = NamedParameters(other);
  const std::vector<NamedBuffer> buffers = NamedBuffers(other);
  autograd::Require(parameters.size() + buffers.size() == entries_.size(), "MovingAverage", "the other module has ",
                    parameters.size() + buffers.size(), " tensors, this one ", entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i < parameters.size()) {
      autograd::Require(parameters[i].name == entries_[i].name, "MovingAverage", entries_[i].name, " meets ",
                        parameters[i].name);
      parameters[i].parameter->mutable_value().CopyFrom(entries_[i].average);
    } else {
      const NamedBuffer& buffer = buffers[i - parameters.size()];
      autograd::Require(buffer.name == entries_[i].name, "MovingAverage", entries_[i].name, " meets ", buffer.name);
      buffer.array->CopyFrom(entries_[i].average);
    }
  }
}

void MovingAverage::Fields(FieldVisitor& visitor) {
  for (Entry& entry : entries_) visitor.Field(entry.name, entry.average);
}

}  // namespace nn
