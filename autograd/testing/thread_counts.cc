#include "autograd/testing/thread_counts.h"

#include "autograd/testing/same_bits.h"

namespace autograd::testing {

::testing::AssertionResult SameForThreadCounts(const std::function<std::vector<Array>()>& compute,
                                               const std::vector<int>& counts) {
  const auto with = [&](int count) {
    ThreadCountScope scope(count);
    return compute();
  };
  const std::vector<Array> alone = with(1);
  if (alone.empty()) return ::testing::AssertionFailure() << "nothing was computed";
  for (int count : counts) {
    const std::vector<Array> together = with(count);
    if (together.size() != alone.size()) {
      return ::testing::AssertionFailure()
             << alone.size() << " arrays with 1 thread, " << together.size() << " with " << count;
    }
    for (size_t i = 0; i < alone.size(); ++i) {
      const ::testing::AssertionResult same = SameBits(alone[i], together[i]);
      if (!same) {
        return ::testing::AssertionFailure()
               << "array " << i << " with 1 thread and with " << count << ": " << same.message();
      }
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace autograd::testing
