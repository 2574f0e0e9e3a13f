#pragma once

// The one pool of host threads. Work is cut into contiguous pieces by index, so what a piece computes depends on the
// number of pieces only where a kernel says so (partial sums); everything else is the same for any thread count.
//
// OpenMP is not used: its idle workers spin, and TSan cannot see into libgomp. oneDNN primitives run single-threaded
// inside these workers (autograd/cpu/onednn.h).

#include <cstdint>
#include <functional>

namespace autograd {

// Threads used by ParallelFor, the caller included. Default: the cores this process may run on.
int ThreadCount();
// Takes effect at the next ParallelFor; call it while no kernel runs.
void SetThreadCount(int count);

// Calls `body(begin, end)` on disjoint ranges that cover [0, count); a range is at least `grain` long (except the last),
// so small work stays on the calling thread. Nested calls run on the calling thread. An exception of a body is rethrown here.
void ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

// Calls `body(piece)` for piece = 0 … pieces - 1, one piece a task.
void ParallelPieces(int64_t pieces, const std::function<void(int64_t piece)>& body);

}  // namespace autograd
