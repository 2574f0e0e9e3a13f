#include "autograd/collective/mpi.h"
#include "autograd/runtime/error.h"

namespace autograd {

std::unique_ptr<Collective> MpiWorld() { Fail("MpiWorld", "this program was built without MPI (--define=mpi=false)"); }

}  // namespace autograd
