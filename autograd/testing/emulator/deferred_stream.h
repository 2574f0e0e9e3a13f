#pragma once

// The emulated device with queues that run late, as a real device's may: what a stream is given is kept until the host
// waits for it, and the queues beside it run before, after or among its work as far as WaitFor leaves them free.
//
// Memory changes hands in the order of the stream that owns the allocator, not of the host: where the host frees a
// block and where it gets one, that stream is given work that fills it with NaN (bytes 0xFF). So work on another queue
// that lacks a WaitFor either is overwritten or overwrites what a kernel in flight still reads, in at least one order
// of the queues.

#include <cstdint>
#include <memory>

#include "autograd/runtime/stream.h"

namespace cuda_emulator {

enum class QueueOrder {
  kOpenedFirst,  // the stream before those that were opened beside it
  kOpenedLast,   // the other way round
  kRandom,       // piece by piece, drawn from the seed
};

// Kernels of the calling thread, which opens one such stream at a time, go to this stream until it ends. It does not
// record.
std::unique_ptr<autograd::Stream> OpenDeferredStream(QueueOrder order, uint64_t seed = 0);

}  // namespace cuda_emulator
