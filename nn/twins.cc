#include "nn/twins.h"

#include <algorithm>
#include <utility>

namespace nn {
namespace {

void RequireLike(const char* function, const std::string& name, const Array& from, const Array& to) {
  autograd::Require(from.defined() == to.defined() && from.shape() == to.shape() && from.dtype() == to.dtype() &&
                        from.device() == to.device(),
                    function, name, " is ", from.dtype(), " ", from.shape(), " on ", from.device(), " here and ",
                    to.dtype(), " ", to.shape(), " on ", to.device(), " in the other module");
}

template <typename Named>
void RequireSameNames(const char* function, const std::vector<Named>& from, const std::vector<Named>& to) {
  for (size_t i = 0; i < std::max(from.size(), to.size()); ++i) {
    autograd::Require(i < to.size(), function, "the other module has no ", i < from.size() ? from[i].name : "");
    autograd::Require(i < from.size(), function, "only the other module has ", to[i].name);
    autograd::Require(from[i].name == to[i].name, function, from[i].name, " meets ", to[i].name);
  }
}

}  // namespace

void CopyState(const ModuleReference& from, const ModuleReference& to) {
  constexpr const char* kName = "CopyState";
  const std::vector<NamedParameter> parameters = NamedParameters(from), copies = NamedParameters(to);
  const std::vector<NamedBuffer> buffers = NamedBuffers(from), buffer_copies = NamedBuffers(to);
  // All is looked at before anything is written.
  RequireSameNames(kName, parameters, copies);
  RequireSameNames(kName, buffers, buffer_copies);
  for (size_t i = 0; i < parameters.size(); ++i) {
    RequireLike(kName, parameters[i].name, parameters[i].parameter->value(), copies[i].parameter->value());
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    RequireLike(kName, buffers[i].name, *buffers[i].array, *buffer_copies[i].array);
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].parameter->defined()) continue;
    copies[i].parameter->mutable_value().CopyFrom(parameters[i].parameter->value());
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].array->defined()) buffer_copies[i].array->CopyFrom(*buffers[i].array);
  }
}

void MoveGradients(const ModuleReference& from, const ModuleReference& to) {
  constexpr const char* kName = "MoveGradients";
  const std::vector<NamedParameter> givers = NamedParameters(from), takers = NamedParameters(to);
  RequireSameNames(kName, givers, takers);
  for (size_t i = 0; i < givers.size(); ++i) {
    RequireLike(kName, givers[i].name, givers[i].parameter->value(), takers[i].parameter->value());
  }
  for (size_t i = 0; i < givers.size(); ++i) {
    Parameter &giver = *givers[i].parameter, &taker = *takers[i].parameter;
    if (!giver.has_gradient()) {
      taker.ClearGradient();
      continue;
    }
    taker.ClearGradient();
    Array gradient = giver.gradient();
    const bool on_cpu = gradient.device().type == autograd::DeviceType::kCpu;
    if (on_cpu) giver.ClearGradient();  // nobody else refers to the array then
    if (!taker.TakeGradient(gradient)) taker.gradient().CopyFrom(gradient);
    if (!on_cpu) giver.ClearGradient();
  }
}

}  // namespace nn
