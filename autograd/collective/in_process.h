#pragma once

// Ranks as threads of one process: for tests of everything distributed, and for several models on one machine.
//
//   RunRanks(4, [&](Collective& collective) { Train(collective); });

#include <functional>

#include "autograd/collective/collective.h"

namespace autograd {

// Runs `body` on `world_size` threads, each with its own Collective, and waits for all. When a rank throws, ranks that
// wait for it (or will) get an Error, and the first exception is rethrown here.
void RunRanks(int world_size, const std::function<void(Collective&)>& body);

}  // namespace autograd
