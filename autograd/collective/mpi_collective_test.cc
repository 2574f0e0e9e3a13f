// Runs on every rank of an MPI world (BUILD says how many).

#include <gtest/gtest.h>

#include "autograd/collective/collective_contract.h"
#include "autograd/collective/mpi.h"

namespace autograd {
namespace {

TEST(MpiTest, KeepsTheContract) {
  const std::unique_ptr<Collective> collective = MpiWorld();
  EXPECT_GT(collective->world_size(), 1);
  testing::CheckCollectiveContract(*collective);
}

}  // namespace
}  // namespace autograd
