#!/bin/sh
# mpi_failure_test.sh RUNNER RANKS PROGRAM: a test that fails on rank 1 alone must fail as a whole, and say where.
export MPI_FAILING_RANK=1
if output=$("$@" 2>&1); then
  echo "passed though rank 1 failed: $output"
  exit 1
fi
case $output in
  *'rank 1: tools/mpi_world_test.cc:'*) ;;
  *) echo "does not say what failed on rank 1: $output"; exit 1 ;;
esac
