#pragma once

// The one pool of host threads. Work is cut into contiguous pieces by index, so what a piece computes depends on the
// number of pieces only where a kernel says so (partial sums); everything else is the same for any thread count.
//
// OpenMP is not used: its idle workers spin, and TSan cannot see into libgomp. oneDNN primitives run single-threaded
// inside these workers (autograd/cpu/onednn.h).

#include <cstdint>
#include <functional>

namespace autograd {

// Threads that ParallelFor uses when the calling thread calls it, that thread included: 1 inside a region and under a
// SerialScope, else what SetThreadCount said. Default: the cores this process may run on.
int ThreadCount();
// For all threads. Takes effect at the next ParallelFor; call it while no kernel runs.
void SetThreadCount(int count);

// Calls `body(begin, end)` on disjoint ranges that cover [0, count); a range is at least `grain` long (except the
// last), so small work stays on the calling thread. Nested calls run on the calling thread. An exception of a body is
// rethrown here.
void ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

// Calls `body(piece)` for piece = 0 … pieces - 1, one piece a task.
void ParallelPieces(int64_t pieces, const std::function<void(int64_t piece)>& body);

// The largest of 1, 2, 4, 8, 12, 16, … that is no more than `count`, and 1: a number of equal pieces that the threads
// of a small machine share evenly. Three pieces take two threads as long as four do.
constexpr int64_t EvenPieces(int64_t count) {
  if (count >= 4) return count < 8 ? 4 : count / 4 * 4;
  return count >= 2 ? 2 : 1;
}

// While a SerialScope lives, ParallelFor and ParallelPieces called by its thread run everything on that thread: for
// threads that each train a network of their own and would otherwise wait for each other at every region. A kernel
// gives the same values under the scope as with one thread. Scopes nest; a scope ends on the thread where it began.
class SerialScope {
 public:
  SerialScope();
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  bool previous_;
};

}  // namespace autograd
