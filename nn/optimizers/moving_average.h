#pragma once

// The exponential moving average of a module: average = decay·average + (1 − decay)·value after every step, for
// parameters and floating buffers; integer buffers are copied. It starts at the module's present values.

#include <string>
#include <vector>

#include "nn/module.h"

namespace nn {

class MovingAverage {
 public:
  MovingAverage(const ModuleReference& module, double decay);

  // `sound` as in Optimizer::Update: with 0 nothing changes but the copies of integer buffers.
  void Update(const Array& sound = {});
  // Exchanges the averages with the module's values, in place: once before an evaluation and once after it.
  void Swap();
  // Copies the averages over the values of another module of the same structure (a behaviour policy, a teacher).
  void CopyTo(const ModuleReference& other) const;

  // The averages under the module's own names.
  void Fields(FieldVisitor& visitor);

 private:
  struct Entry {
    std::string name;
    Parameter* parameter;  // null for a buffer
    Array* buffer;
    Array average;
    const Array& value() const { return parameter != nullptr ? parameter->value() : *buffer; }
    Array& mutable_value() const { return parameter != nullptr ? parameter->mutable_value() : *buffer; }
  };
  std::vector<Entry> entries_;
  double decay_;
};

// Holds the averages in the module for the scope's life.
class AverageScope {
 public:
  explicit AverageScope(MovingAverage& average) : average_(average) { average_.Swap(); }
  ~AverageScope() { average_.Swap(); }
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  MovingAverage& average_;
};

}  // namespace nn
