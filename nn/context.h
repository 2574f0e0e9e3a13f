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

  // Of this rank's part of the batch, in the whole: with one key on all ranks, dropout and stochastic depth then drop
  // what one rank with the whole batch would.
  int64_t first_sample = 0;

  static Context Training(autograd::RandomKey key, autograd::ReplicaSum replicas = {}, int64_t first_sample = 0) {
    return {true, key, replicas, first_sample};
  }

  // The context of child `index` (or of that name), whose draws are independent of its siblings'.
  Context Split(uint64_t index) const { return With(key.Split(index)); }
  Context Split(const char* name) const { return With(key.Split(name)); }

 private:
  Context With(autograd::RandomKey other) const {
    Context context = *this;
    context.key = other;
    return context;
  }
};

}  // namespace nn
