#pragma once

#include "autograd/collective/collective.h"

namespace autograd::testing {

// What every Collective promises; called on each rank of a world (of any size) at the same time.
void CheckCollectiveContract(Collective& collective);

}  // namespace autograd::testing
