#pragma once

// Ranks as processes, started by mpirun, srun or whatever the site uses for MPI programs.

#include <memory>

#include "autograd/collective/collective.h"

namespace autograd {

// MPI_COMM_WORLD; an Error in a program built without MPI. Initialises MPI when nobody has, and in that case finalises
// it when the result is destroyed. One at a time; not for use from several threads at once.
std::unique_ptr<Collective> MpiWorld();

}  // namespace autograd
