#pragma once

// The Tape records what ops did, in order, while it is in scope; Backward is one loop from the last node to the first.
// Outside a Tape nothing is recorded, so evaluation needs no switch.
//
//   Tape tape;
//   Variable loss = Mean(Square(Sub(Linear(x, weight), y)));
//   tape.Backward(loss);            // adds to weight.gradient()
//
// A tape belongs to one thread, serves one Backward, and frees what nodes saved as it passes them.
//
// An op records itself with
//
//   return Record("Square", y, {x}, Saved{x.array()}, [](const Saved& saved, const Array& dy, Wanted wanted) {
//     return Gradients{SquareGradient(saved[0], dy)};
//   });
//
// The closure must be trivially copyable: it may capture numbers, not arrays. Every saved byte is therefore in Saved,
// where Tape::Report() finds it. It returns one gradient per input, in order; those with !wanted[i] may be left
// undefined. The name must be a string literal, or live as long: tapes, allocators and profiles keep the pointer.

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/core/variable.h"

namespace autograd {

using Gradients = std::vector<Array>;
struct Addition;

// What a gradient function will read.
class Saved {
 public:
  Saved() = default;
  Saved(std::initializer_list<Array> arrays) : arrays_(arrays) {}
  explicit Saved(std::vector<Array> arrays) : arrays_(std::move(arrays)) {}
  const Array& operator[](size_t i) const { return arrays_[i]; }
  size_t size() const { return arrays_.size(); }
  const std::vector<Array>& arrays() const { return arrays_; }

 private:
  std::vector<Array> arrays_;
};

// Which inputs want a gradient (the first 64; later ones count as wanted).
class Wanted {
 public:
  explicit Wanted(uint64_t mask) : mask_(mask) {}
  bool operator[](size_t i) const { return i >= 64 || (mask_ >> i & 1); }

 private:
  uint64_t mask_;
};

// A type-erased gradient function without a destructor.
class GradientFunction {
 public:
  GradientFunction() = default;
  template <typename Closure>
  explicit GradientFunction(const Closure& closure) {
    static_assert(std::is_trivially_copyable_v<Closure>,
                  "a gradient closure may capture numbers, not arrays: use Saved");
    static_assert(sizeof(Closure) <= kBytes && alignof(Closure) <= 16);
    new (storage_) Closure(closure);
    call_ = [](const void* storage, const Saved& saved, const Array& dy, Wanted wanted) -> Gradients {
      return (*static_cast<const Closure*>(storage))(saved, dy, wanted);
    };
  }
  Gradients operator()(const Saved& saved, const Array& dy, Wanted wanted) const {
    return call_(storage_, saved, dy, wanted);
  }

 private:
  static constexpr size_t kBytes = 128;
  alignas(16) std::byte storage_[kBytes];
  Gradients (*call_)(const void*, const Saved&, const Array&, Wanted) = nullptr;
};

class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // The thread's innermost tape that is not paused, or null.
  static Tape* Current();

  // A leaf that is not a parameter; its gradient is kept for Gradient().
  Variable Watch(const Array& array);

  // Gradients of `y`, which defaults to a scalar with dy = 1. Parameters add into their gradient buffers.
  void Backward(const Variable& y);
  void Backward(const Variable& y, const Array& dy);

  // Backward calls `ready` for each parameter soon after nothing more can be added to its gradient (parameters whose
  // gradients have no more than kWaitingBytes together may wait for one another), in an order that the tape alone
  // decides: the place to send gradients to other ranks while the rest is computed. Checkpoints hide the parameters
  // they use, so a tape with one calls it for none.
  static constexpr int64_t kWaitingBytes = int64_t{8} << 20;
  void OnGradient(std::function<void(Parameter&)> ready) { on_gradient_ = std::move(ready); }

  // After Backward: the gradient of a watched leaf (undefined when nothing reached it).
  Array Gradient(const Variable& leaf) const;

  // Bytes kept for the backward pass by op: a table, largest first. Storage of parameters is not counted, storage
  // shared by several nodes counts once, for the first.
  std::string Report() const;
  int64_t SavedBytes() const;
  size_t node_count() const { return nodes_.size(); }

  // Used by Record and Checkpoint.
  Variable Add(const char* operation, Array y, std::span<const Variable> inputs, Saved saved,
               const GradientFunction& gradient);
  using OwningGradient = std::function<Gradients(const Saved&, const Array& dy, Wanted)>;
  Variable AddOwning(const char* operation, Array y, std::span<const Variable> inputs, Saved saved,
                     OwningGradient gradient);

 private:
  struct Input {
    int64_t node = -1;
    Parameter* parameter = nullptr;
  };
  struct Node {
    const char* operation;
    std::vector<Input> inputs;
    Saved saved;
    GradientFunction gradient;
    OwningGradient owning;
    bool leaf = false;
  };
  Variable Push(Node node, Array y, std::span<const Variable> inputs);
  void Deliver(const Input& input, Array gradient, std::vector<Array>& pending);
  // Adds what waits for it to the gradients of parameters, and reports those that are complete.
  void AddWaiting();
  // How many nodes up to `last` use each parameter; empty when nobody asks, or when a checkpoint makes it unknowable.
  std::map<Parameter*, int64_t> CountUses(int64_t last) const;
  void ReportReady(const Node& node, std::map<Parameter*, int64_t>& uses);

  std::vector<Node> nodes_;
  std::vector<Array> leaf_gradients_;
  // One kernel adds many gradients of parameters. No two of one parameter wait, so that sums have the order of the
  // nodes.
  std::vector<Addition> waiting_;
  int64_t waiting_bytes_ = 0;
  std::vector<Parameter*> ready_;
  std::function<void(Parameter&)> on_gradient_;
  uint64_t id_;
  bool consumed_ = false;
  Tape* previous_;
};

// Stops recording in this thread for the scope's life.
class PauseTape {
 public:
  PauseTape();
  ~PauseTape();
  PauseTape(const PauseTape&) = delete;
  PauseTape& operator=(const PauseTape&) = delete;

 private:
  Tape* previous_;
};

namespace internal {
bool AnyTracked(std::span<const Variable> inputs);
}

template <typename Closure>
Variable Record(const char* operation, Array y, std::span<const Variable> inputs, Saved saved,
                const Closure& gradient) {
  Tape* tape = Tape::Current();
  if (tape == nullptr || !internal::AnyTracked(inputs)) return Variable(std::move(y));
  return tape->Add(operation, std::move(y), inputs, std::move(saved), GradientFunction(gradient));
}

template <typename Closure>
Variable Record(const char* operation, Array y, std::initializer_list<Variable> inputs, Saved saved,
                const Closure& gradient) {
  return Record(operation, std::move(y), std::span<const Variable>(inputs.begin(), inputs.size()), std::move(saved),
                gradient);
}

// True when an op on these inputs will be recorded: lets an op skip what only its gradient needs.
inline bool WillRecord(std::initializer_list<Variable> inputs) {
  return Tape::Current() != nullptr && internal::AnyTracked(std::span<const Variable>(inputs.begin(), inputs.size()));
}

// Runs `function` without keeping what its ops save, and again during Backward (gradient checkpointing). `function`
// must compute the same value each time: random keys are values, so dropout repeats. It may use parameters freely, but
// other tracked variables only through `inputs`.
Variable Checkpoint(const std::function<Variable(std::span<const Variable>)>& function,
                    const std::vector<Variable>& inputs);

}  // namespace autograd
