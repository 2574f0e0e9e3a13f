#include "experiments/continual/growth.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/core/array.h"
#include "nn/module.h"
#include "seg/continual/classifier_rule.h"

namespace experiments::continual {
namespace {

using autograd::Array;

template <typename Named>
const Named* Find(const std::vector<Named>& all, const std::string& name) {
  for (const Named& named : all) {
    if (named.name == name) return &named;
  }
  return nullptr;
}

absl::Status Unlike(const std::string& name, const Network& old, const Network& grown) {
  return absl::FailedPreconditionError(
      absl::StrCat("'", grown.description(), "' cannot grow out of '", old.description(), "': ", name, " differs"));
}

void Put(autograd::Parameter& parameter, const Array& value) {
  parameter.mutable_value().CopyFrom(value);
  parameter.Changed();
}

}  // namespace

absl::Status GrowFrom(Network& old, Network& grown) {
  const std::string weight = grown.last_layer() + ".weight", bias = grown.last_layer() + ".bias";
  const std::vector<nn::NamedParameter> from = nn::NamedParameters(old.module());
  const std::vector<nn::NamedParameter> to = nn::NamedParameters(grown.module());
  for (const std::string& name : {weight, bias}) {
    if (Find(from, name) == nullptr || Find(to, name) == nullptr)
      return absl::FailedPreconditionError(
          absl::StrCat("'", grown.description(), "' has no ", name, ", which continual learning extends"));
  }
  for (const nn::NamedParameter& named : to) {
    const nn::NamedParameter* const source = Find(from, named.name);
    if (named.name == weight || named.name == bias) continue;
    if (source == nullptr || source->parameter->value().shape() != named.parameter->value().shape())
      return Unlike(named.name, old, grown);
  }
  const std::vector<nn::NamedBuffer> buffers = nn::NamedBuffers(old.module());
  const std::vector<nn::NamedBuffer> grown_buffers = nn::NamedBuffers(grown.module());
  for (const nn::NamedBuffer& named : grown_buffers) {
    const nn::NamedBuffer* const source = Find(buffers, named.name);
    if (source == nullptr || source->array->shape() != named.array->shape()) return Unlike(named.name, old, grown);
  }

  for (const nn::NamedParameter& named : to) {
    if (named.name != weight && named.name != bias) Put(*named.parameter, Find(from, named.name)->parameter->value());
  }
  for (const nn::NamedBuffer& named : grown_buffers) named.array->CopyFrom(*Find(buffers, named.name)->array);
  const seg::ClassifierParameters extended = seg::AddClasses(
      Find(from, weight)->parameter->value(), Find(from, bias)->parameter->value(), grown.classes() - old.classes());
  Put(*Find(to, weight)->parameter, extended.weight);
  Put(*Find(to, bias)->parameter, extended.bias);
  return absl::OkStatus();
}

}  // namespace experiments::continual
