#!/bin/sh
# mpi_test.sh RANKS PROGRAM [ARGUMENT...]: runs one rank of PROGRAM per process under OpenMPI, inside Bazel's sandbox.
set -eu
ranks=$1
shift

# Root in a container is no accident, and a machine with two cores may run four ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

# One machine: shared memory, no remote shell, and no kernel call that containers forbid.
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm_rsh_agent=/bin/false

# OpenMPI's session folder holds a socket, whose path must be short.
export TMPDIR=/tmp HOME="${TEST_TMPDIR:-/tmp}"

# Ranks would overwrite each other's file.
unset TEST_PREMATURE_EXIT_FILE XML_OUTPUT_FILE

# OpenMPI leaks at exit, from modules already unloaded: no suppression can match.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

exec mpirun -n "$ranks" "$@"
