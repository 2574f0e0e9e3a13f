// The mpi_test macro itself: two ranks, one world, and messages between them.

#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdlib>

namespace {

TEST(MpiWorldTest, BothRanksTakePart) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  ASSERT_EQ(ranks, 2);
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  int sum = -1;
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  EXPECT_EQ(sum, 1);
}

// mpi_failure_test.sh sets the variable, and expects the whole run to fail.
TEST(MpiWorldTest, FailsOnTheChosenRank) {
  const char* const failing_rank = std::getenv("MPI_FAILING_RANK");
  if (failing_rank == nullptr) return;
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  EXPECT_NE(rank, std::atoi(failing_rank));
}

}  // namespace
