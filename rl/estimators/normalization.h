#pragma once

namespace rl {

// How pair-wise differences become advantages. The mask alone changes nothing against GRPO (where two maps agree the
// two terms of its gradient cancel already); what helps is to divide by the standard deviation of the non-zero entries
// and to average over these, so that a pair that differs in few pixels gives those a strong signal.
enum class Normalization {
  kNonZero,  // standard deviation of, and loss averaged over, the non-zero entries
  kAll,      // the same over all (valid) entries
  kNone,     // not divided; loss averaged over all entries
};

}  // namespace rl
