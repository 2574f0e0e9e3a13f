#include "autograd/core/tape.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "autograd/core/array_kernels.h"

namespace autograd {
namespace {

thread_local Tape* current_tape = nullptr;

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1);
}

// sum += x, in place where nobody else can see it.
void AddInto(Array& sum, Array x) {
  if (!sum.defined()) {
    sum = std::move(x);
    return;
  }
  Require(sum.shape() == x.shape() && sum.dtype() == x.dtype(), "Backward",
          "gradients of one value disagree: ", sum.dtype(), " ", sum.shape(), " and ", x.dtype(), " ", x.shape());
  OperationScope scope("Backward");
  if (!sum.Unshared()) {
    if (x.Unshared()) {
      std::swap(sum, x);
    } else {
      sum = sum.Copy();
    }
  }
  kernels::Accumulate(Stream::Current(), x, sum);
}

}  // namespace

bool internal::AnyTracked(std::span<const Variable> inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const Variable& input) { return input.tracked(); });
}

Tape::Tape() : id_(NextId()), previous_(current_tape) { current_tape = this; }
Tape::~Tape() { current_tape = previous_; }
Tape* Tape::Current() { return current_tape; }

PauseTape::PauseTape() : previous_(current_tape) { current_tape = nullptr; }
PauseTape::~PauseTape() { current_tape = previous_; }

Variable Tape::Push(Node node, Array y, std::span<const Variable> inputs) {
  Require(!consumed_, node.operation, "recorded on a tape that has run Backward already");
  node.inputs.reserve(inputs.size());
  for (const Variable& input : inputs) {
    Input from;
    if (input.node_ >= 0) {
      Require(input.tape_ == id_, node.operation, "input ", input.shape(), " was recorded on another tape");
      from.node = input.node_;
    } else if (input.tracked()) {
      from.parameter = input.parameter_;
    }
    node.inputs.push_back(from);
  }
  nodes_.push_back(std::move(node));
  Variable result(std::move(y));
  result.node_ = static_cast<int64_t>(nodes_.size()) - 1;
  result.tape_ = id_;
  return result;
}

Variable Tape::Watch(const Array& array) {
  Node node{};
  node.operation = "Watch";
  node.leaf = true;
  return Push(std::move(node), array, {});
}

Variable Tape::Add(const char* operation, Array y, std::span<const Variable> inputs, Saved saved,
                   const GradientFunction& gradient) {
  Node node{};
  node.operation = operation;
  node.saved = std::move(saved);
  node.gradient = gradient;
  return Push(std::move(node), std::move(y), inputs);
}

Variable Tape::AddOwning(const char* operation, Array y, std::span<const Variable> inputs, Saved saved,
                         OwningGradient gradient) {
  Node node{};
  node.operation = operation;
  node.saved = std::move(saved);
  node.owning = std::move(gradient);
  return Push(std::move(node), std::move(y), inputs);
}

void Tape::Backward(const Variable& y) {
  Require(y.size() == 1, "Backward", "needs a scalar or an explicit dy, not ", y.shape());
  Backward(y, Array::Full(y.shape(), y.dtype(), 1.0));
}

void Tape::AddWaiting() {
  if (!waiting_.empty()) {
    OperationScope scope("Backward");
    kernels::AccumulateAll(Stream::Current(), waiting_);
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  for (Parameter* parameter : std::exchange(ready_, {})) on_gradient_(*parameter);
}

void Tape::Deliver(const Input& input, Array gradient, std::vector<Array>& pending) {
  if (input.parameter != nullptr) {
    Parameter& parameter = *input.parameter;
    Require(gradient.size() == parameter.size(), "Backward", "gradient ", gradient.shape(), " for parameter ",
            parameter.shape());
    if (parameter.TakeGradient(gradient)) return;
    const Array& sum = parameter.gradient();
    if (std::any_of(waiting_.begin(), waiting_.end(),
                    [&](const Addition& other) { return other.sum.raw() == sum.raw(); }))
      AddWaiting();
    waiting_bytes_ += gradient.storage_bytes();
    waiting_.push_back({std::move(gradient), sum});
    if (waiting_bytes_ > kWaitingBytes) AddWaiting();
  } else if (input.node >= 0) {
    AddInto(pending[input.node], std::move(gradient));
  }
}

std::map<Parameter*, int64_t> Tape::CountUses(int64_t last) const {
  std::map<Parameter*, int64_t> uses;
  if (!on_gradient_) return uses;
  for (int64_t i = 0; i <= last; ++i) {
    if (nodes_[i].owning) return {};
    for (const Input& input : nodes_[i].inputs) {
      if (input.parameter != nullptr) ++uses[input.parameter];
    }
  }
  return uses;
}

void Tape::ReportReady(const Node& node, std::map<Parameter*, int64_t>& uses) {
  if (uses.empty()) return;
  for (const Input& input : node.inputs) {
    if (input.parameter != nullptr && --uses[input.parameter] == 0) ready_.push_back(input.parameter);
  }
  if (waiting_.empty()) AddWaiting();
}

void Tape::Backward(const Variable& y, const Array& dy) {
  Require(!consumed_, "Backward", "a tape serves one Backward: add the losses first");
  Require(y.shape() == dy.shape() && y.dtype() == dy.dtype(), "Backward", "dy is ", dy.dtype(), " ", dy.shape(),
          " for y ", y.dtype(), " ", y.shape());
  consumed_ = true;
  PauseTape pause;  // gradient functions work on arrays; nothing is recorded
  if (y.node_ < 0) {
    if (y.tracked()) Deliver({-1, y.parameter_}, dy, leaf_gradients_);
    AddWaiting();
    return;
  }
  Require(y.tape_ == id_, "Backward", "y ", y.shape(), " was recorded on another tape");
  std::vector<Array> pending(nodes_.size());
  leaf_gradients_.resize(nodes_.size());
  pending[y.node_] = dy;
  std::map<Parameter*, int64_t> uses = CountUses(y.node_);
  for (int64_t i = y.node_; i >= 0; --i) {
    Node& node = nodes_[i];
    Array gradient = std::move(pending[i]);
    pending[i] = Array();
    if (node.leaf) {
      leaf_gradients_[i] = std::move(gradient);
      continue;
    }
    const Saved saved = std::move(node.saved);
    node.saved = Saved();
    if (!gradient.defined()) {
      ReportReady(node, uses);
      continue;
    }
    uint64_t mask = 0;
    for (size_t k = 0; k < std::min<size_t>(64, node.inputs.size()); ++k) {
      if (node.inputs[k].node >= 0 || node.inputs[k].parameter != nullptr) mask |= uint64_t{1} << k;
    }
    if (node.owning) AddWaiting();  // the tape within adds to the same sums
    OperationScope scope(node.operation);
    Gradients gradients =
        node.owning ? node.owning(saved, gradient, Wanted(mask)) : node.gradient(saved, gradient, Wanted(mask));
    gradient = Array();
    Require(gradients.size() == node.inputs.size(), node.operation, "returned ", gradients.size(), " gradients for ",
            node.inputs.size(), " inputs");
    for (size_t k = 0; k < gradients.size(); ++k) {
      if (gradients[k].defined()) Deliver(node.inputs[k], std::move(gradients[k]), pending);
    }
    ReportReady(node, uses);
    node.owning = nullptr;
  }
  AddWaiting();
}

Array Tape::Gradient(const Variable& leaf) const {
  Require(leaf.tape_ == id_ && leaf.node_ >= 0 && nodes_[leaf.node_].leaf, "Gradient",
          "asked of a variable this tape does not watch");
  Require(consumed_, "Gradient", "asked before Backward");
  return leaf.node_ < static_cast<int64_t>(leaf_gradients_.size()) ? leaf_gradients_[leaf.node_] : Array();
}

int64_t Tape::SavedBytes() const {
  std::set<const void*> seen;
  int64_t total = 0;
  for (const Node& node : nodes_) {
    for (const Array& array : node.saved.arrays()) {
      if (array.defined() && !array.persistent() && seen.insert(array.storage_id()).second)
        total += array.storage_bytes();
    }
  }
  return total;
}

std::string Tape::Report() const {
  struct Row {
    int64_t nodes = 0, bytes = 0;
  };
  std::map<std::string, Row> rows;
  std::set<const void*> seen;
  int64_t total = 0;
  for (const Node& node : nodes_) {
    Row& row = rows[node.operation];
    ++row.nodes;
    for (const Array& array : node.saved.arrays()) {
      if (!array.defined() || array.persistent() || !seen.insert(array.storage_id()).second) continue;
      row.bytes += array.storage_bytes();
      total += array.storage_bytes();
    }
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  std::string text = "saved for backward            nodes        MiB   share\n";
  char line[128];
  for (const auto& [name, row] : sorted) {
    std::snprintf(line, sizeof(line), "%-28s %6lld %10.2f %6.1f %%\n", name.c_str(), static_cast<long long>(row.nodes),
                  static_cast<double>(row.bytes) / (1 << 20),
                  total > 0 ? 100.0 * static_cast<double>(row.bytes) / static_cast<double>(total) : 0.0);
    text += line;
  }
  std::snprintf(line, sizeof(line), "%-28s %6zu %10.2f\n", "total", nodes_.size(),
                static_cast<double>(total) / (1 << 20));
  return text + line;
}

Variable Checkpoint(const std::function<Variable(std::span<const Variable>)>& function,
                    const std::vector<Variable>& inputs) {
  Tape* tape = Tape::Current();
  if (tape == nullptr) return function(inputs);
  std::vector<Array> arrays;
  std::vector<Variable> detached;
  for (const Variable& input : inputs) {
    arrays.push_back(input.array());
    detached.push_back(input.Detach());
  }
  Array y;
  {
    PauseTape pause;
    y = function(detached).array();
  }
  // Recorded even when no input is tracked: the function may use parameters.
  return tape->AddOwning("Checkpoint", std::move(y), inputs, Saved(std::move(arrays)),
                         [function](const Saved& saved, const Array& dy, Wanted wanted) {
                           Tape nested;
                           std::vector<Variable> again;
                           for (size_t i = 0; i < saved.size(); ++i) {
                             again.push_back(wanted[i] ? nested.Watch(saved[i]) : Variable(saved[i]));
                           }
                           nested.Backward(function(again), dy);
                           Gradients gradients(saved.size());
                           for (size_t i = 0; i < saved.size(); ++i) {
                             if (wanted[i]) gradients[i] = nested.Gradient(again[i]);
                           }
                           return gradients;
                         });
}

}  // namespace autograd
