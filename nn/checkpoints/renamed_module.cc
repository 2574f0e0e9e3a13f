#include "nn/checkpoints/renamed_module.h"

#include <map>
#include <utility>

#include "autograd/runtime/error.h"

namespace nn {
namespace {

// Calls visit(part, rows of `joined`) for each part.
template <typename Visit>
void ForEachPart(const std::vector<Parameter*>& parts, const Array& joined, const Visit& visit) {
  int64_t row = 0;
  for (Parameter* part : parts) {
    visit(*part, joined.Slice(row, row + part->shape()[0]));
    row += part->shape()[0];
  }
}

Array Joined(const std::string& name, const std::vector<Parameter*>& parts) {
  Shape shape = parts[0]->shape();
  autograd::Require(shape.rank() > 0, "RenamedModule", "scalars are joined to '", name, "'");
  int64_t rows = 0;
  for (const Parameter* part : parts) {
    Shape like_first = part->shape();
    autograd::Require(like_first.rank() == shape.rank(), "RenamedModule", "'", name, "' joins ", shape, " and ",
                      part->shape());
    like_first.Set(0, shape[0]);
    autograd::Require(like_first == shape, "RenamedModule", "'", name, "' joins ", shape, " and ", part->shape());
    rows += part->shape()[0];
  }
  shape.Set(0, rows);
  Array joined = Array::Empty(shape, parts[0]->value().dtype());
  ForEachPart(parts, joined, [](Parameter& part, Array slice) { slice.CopyFrom(part.value()); });
  return joined;
}

}  // namespace

RenamedModule::RenamedModule(const ModuleReference& module, const FieldNames& names) {
  std::map<std::string, size_t> places;
  for (const NamedParameter& named : NamedParameters(module)) {
    RenamedField field = names(named.name);
    const auto [place, first] = places.emplace(field.name, entries_.size());
    if (first) {
      const Layout layout = field.layout.value_or(named.layout);
      entries_.push_back({std::move(field), {}, layout, Parameter()});
    }
    entries_[place->second].parts.push_back(named.parameter);
  }
  for (Entry& entry : entries_) {
    if (entry.parts.size() > 1) entry.joined.Set(Joined(entry.field.name, entry.parts));
  }
  for (const NamedBuffer& named : NamedBuffers(module)) buffers_.push_back({names(named.name).name, named.array});
}

void RenamedModule::Fields(FieldVisitor& visitor) {
  for (Entry& entry : entries_) {
    visitor.Field(entry.field.name, entry.joined.defined() ? entry.joined : *entry.parts[0], entry.layout);
  }
  for (const NamedBuffer& buffer : buffers_) visitor.Field(buffer.name, *buffer.array);
}

void RenamedModule::Split() {
  for (const Entry& entry : entries_) {
    if (!entry.joined.defined()) continue;
    ForEachPart(entry.parts, entry.joined.value(), [](Parameter& part, const Array& slice) {
      part.mutable_value().CopyFrom(slice);
      part.Changed();
    });
  }
}

}  // namespace nn
