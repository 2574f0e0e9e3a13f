#include "tests/golden/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "autograd/ops/cast.h"
#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "nn/checkpoints/weights.h"
#include "nn/initializers/initializers.h"

namespace golden {

using autograd::Array;

namespace {

std::vector<double> Values(const Array& array) {
  return autograd::Cast(autograd::Variable(array), autograd::kFloat64).array().ToVector<double>();
}

double Largest(const Array& array) {
  double largest = 0;
  for (double value : Values(array)) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace

Array Prepared(const Array& array, const Arithmetic& arithmetic, const std::string& name) {
  if (arithmetic.compute == array.dtype() && arithmetic.perturbation == 0) return array;
  std::vector<double> values = Values(array);
  const autograd::RandomKey key = arithmetic.key.Split(name.c_str());
  for (size_t i = 0; i < values.size(); ++i) {
    const autograd::PhiloxWords words = autograd::Philox(key, i);
    values[i] *= 1 + arithmetic.perturbation * (2 * autograd::UniformDouble(words.x, words.y) - 1);
  }
  return autograd::Cast(autograd::Variable(Array::From(array.shape(), values)), arithmetic.compute).array();
}

void Prepare(const nn::ModuleReference& network, const Arithmetic& arithmetic) {
  for (const nn::NamedParameter& named : nn::NamedParameters(network))
    named.parameter->Set(Prepared(named.parameter->value(), arithmetic, named.name));
  for (const nn::NamedBuffer& named : nn::NamedBuffers(network)) {
    if (autograd::IsFloating(named.array->dtype())) *named.array = Prepared(*named.array, arithmetic, named.name);
  }
}

Difference Between(const std::string& name, const Array& actual, const Array& expected, const Array& scale) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (!(actual.shape() == expected.shape())) return {name, kInfinity};
  if (expected.dtype() == autograd::kInt64) {
    return {name, actual.dtype() == autograd::kInt64 && actual.Item() == expected.Item() ? 0 : kInfinity};
  }
  const std::vector<double> ours = Values(actual), theirs = Values(expected);
  double difference = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!std::isfinite(ours[i])) return {name, kInfinity};
    difference = std::max(difference, std::abs(ours[i] - theirs[i]));
  }
  return {name, difference == 0 ? 0 : difference / Largest(scale)};
}
Difference Between(const std::string& name, const Array& actual, const Array& expected) {
  return Between(name, actual, expected, expected);
}

Difference SameMap(const std::string& name, const Array& actual, const Array& expected) {
  const bool same = actual.shape() == expected.shape() && actual.ToVector<uint8_t>() == expected.ToVector<uint8_t>();
  return {name, same ? 0 : std::numeric_limits<double>::infinity()};
}

void AppendGradients(const nn::ModuleReference& network, const nn::ModuleReference& expected,
                     std::vector<Difference>& differences, double cancelling) {
  const std::vector<nn::NamedParameter> ours = nn::NamedParameters(network), theirs = nn::NamedParameters(expected);
  for (size_t i = 0; i < ours.size(); ++i) {
    // The rounding of a gradient that cancels is that of its terms, so the weight, one before, has the scale. Softmax
    // does not see a key's bias.
    const Array& own = theirs[i].parameter->value();
    const bool cancels = i > 0 && absl::EndsWith(ours[i].name, ".bias") &&
                         (absl::EndsWith(ours[i].name, "attention.key.bias") ||
                          (cancelling > 0 && Largest(own) < cancelling * Largest(theirs[i - 1].parameter->value())));
    differences.push_back(Between(absl::StrCat("gradient.", ours[i].name), ours[i].parameter->gradient(), own,
                                  cancels ? theirs[i - 1].parameter->value() : own));
  }
}

void AppendStatistics(const nn::ModuleReference& network, const nn::ModuleReference& expected,
                      std::vector<Difference>& differences) {
  const std::vector<nn::NamedBuffer> ours = nn::NamedBuffers(network), theirs = nn::NamedBuffers(expected);
  for (size_t i = 0; i < ours.size(); ++i)
    differences.push_back(Between(absl::StrCat("updated.", ours[i].name), *ours[i].array, *theirs[i].array));
}

double NumberOf(const File& file, const std::string& entry) {
  double value = 0;
  autograd::Require(absl::SimpleAtod(file.Metadata(entry), &value), "golden::File", "metadata '", entry, "' is '",
                    file.Metadata(entry), "', not a number");
  return value;
}

std::vector<int64_t> IntegersOf(const File& file, const std::string& entry) {
  std::vector<int64_t> values;
  for (const std::string& text :
       std::vector<std::string>(absl::StrSplit(file.Metadata(entry), ' ', absl::SkipEmpty()))) {
    autograd::Require(absl::SimpleAtoi(text, &values.emplace_back()), "golden::File", "metadata '", entry, "' has '",
                      text, "', not an integer");
  }
  return values;
}

void Perturb(const nn::ModuleReference& network) {
  for (const nn::NamedParameter& named : nn::NamedParameters(network)) {
    const autograd::Shape shape = named.parameter->shape();
    const autograd::RandomKey key = kOurs.Split(named.name.c_str());
    std::vector<float> values = named.parameter->value().ToVector<float>();
    const std::vector<float> moves = nn::Uniform(-0.1, 0.1)(shape, {}, key).ToVector<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] += moves[i];
    named.parameter->Set(Array::From(shape, values));
  }
}

namespace {

struct Outputs {
  std::vector<std::pair<std::string, Array>> arrays;
  void Fields(nn::FieldVisitor& visitor) {
    for (auto& [name, array] : arrays) visitor.Field(name, array);
  }
};

}  // namespace

void SaveNetwork(const std::string& folder, const nn::ModuleReference& network,
                 std::vector<std::pair<std::string, Array>> outputs) {
  Outputs named{std::move(outputs)};
  for (const absl::Status& status : {nn::SaveWeights(folder + "/weights.safetensors", network),
                                     nn::SaveWeights(folder + "/outputs.safetensors", named)})
    autograd::Require(status.ok(), "SaveNetwork", status.message());
}

}  // namespace golden
