#pragma once

// How a forward pass is run. Evaluation is the default: Context() needs no key.

#include <cstdint>

#include "autograd/ops/batch_norm.h"
#include "autograd/runtime/random.h"

namespace nn {

struct Context {
  bool training = false;               // batch statistics, dropout, stochastic depth
  autograd::RandomKey key;             // of this step; each consumer takes a Split of it
  autograd::ReplicaSum replicas = {};  // batch statistics are summed over these (synchronised batch normalisation)

  static Context Training(autograd::RandomKey key, autograd::ReplicaSum replicas = {}) { return {true, key, replicas}; }

  // The context of child `index` (or of that name), whose draws are independent of its siblings'.
  Context Split(uint64_t index) const { return {training, key.Split(index), replicas}; }
  Context Split(const char* name) const { return {training, key.Split(name), replicas}; }
};

}  // namespace nn
