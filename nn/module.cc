#include "nn/module.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace nn {
namespace {

class Collector : public FieldVisitor {
 public:
  std::vector<NamedParameter> parameters;
  std::vector<NamedBuffer> buffers;

 protected:
  void OnParameter(const std::string& path, Parameter& parameter, Layout layout) override {
    Claim(path);
    parameters.push_back({path, &parameter, layout});
  }
  void OnBuffer(const std::string& path, Array& buffer) override {
    Claim(path);
    buffers.push_back({path, &buffer});
  }

 private:
  void Claim(const std::string& path) {
    autograd::Require(names_.insert(path).second, "Fields", "two fields are called ", path);
  }
  std::set<std::string> names_;
};

Collector Collect(const ModuleReference& module) {
  Collector collector;
  module.Fields(collector);
  return collector;
}

}  // namespace

void FieldVisitor::Field(std::string_view name, Parameter& parameter, Layout layout) {
  OnParameter(prefix_ + std::string(name), parameter, layout);
}

void FieldVisitor::Field(std::string_view name, Array& buffer) { OnBuffer(prefix_ + std::string(name), buffer); }

std::vector<NamedParameter> NamedParameters(const ModuleReference& module) { return Collect(module).parameters; }

std::vector<NamedBuffer> NamedBuffers(const ModuleReference& module) { return Collect(module).buffers; }

int64_t ParameterCount(const ModuleReference& module) {
  int64_t count = 0;
  for (const NamedParameter& named : NamedParameters(module)) count += named.parameter->size();
  return count;
}

int64_t TrainableParameterCount(const ModuleReference& module) {
  int64_t count = 0;
  for (const NamedParameter& named : NamedParameters(module)) {
    if (named.parameter->trainable()) count += named.parameter->size();
  }
  return count;
}

void SetTrainable(const ModuleReference& module, bool trainable) {
  for (const NamedParameter& named : NamedParameters(module)) named.parameter->set_trainable(trainable);
}

void ClearGradients(const ModuleReference& module) {
  for (const NamedParameter& named : NamedParameters(module)) named.parameter->ClearGradient();
}

std::string Summary(const ModuleReference& module) {
  Collector collected = Collect(module);
  size_t width = 5;
  for (const NamedParameter& named : collected.parameters) width = std::max(width, named.name.size());
  for (const NamedBuffer& named : collected.buffers) width = std::max(width, named.name.size());

  std::string text;
  const auto add_line = [&](const std::string& name, const std::string& shape, int64_t size, const char* note) {
    char line[64];
    std::snprintf(line, sizeof(line), "%12lld%s\n", static_cast<long long>(size), note);
    text += name + std::string(width + 2 - name.size(), ' ') + shape +
            std::string(shape.size() < 20 ? 20 - shape.size() : 0, ' ') + line;
  };
  int64_t total = 0, trainable = 0;
  for (const NamedParameter& named : collected.parameters) {
    const Parameter& parameter = *named.parameter;
    total += parameter.size();
    if (parameter.trainable()) trainable += parameter.size();
    add_line(named.name, parameter.shape().ToString(), parameter.size(), parameter.trainable() ? "" : "  frozen");
  }
  for (const NamedBuffer& named : collected.buffers) {
    add_line(named.name, named.array->shape().ToString(), named.array->size(), "  buffer");
  }
  add_line("total", "", total, trainable == total ? "" : ("  of which train " + std::to_string(trainable)).c_str());
  return text;
}

}  // namespace nn
