#!/bin/bash
# Builds what gpu_check.py runs and puts it into one folder that can be carried to a machine with a GPU and no Bazel:
#
#   tools/gpu_check/pack.sh FOLDER [ARCHITECTURES]        # 80,90 by default; 90 alone makes it smaller
#
# Abseil's libraries are linked statically, MPI is left out, oneDNN and C++'s own are carried along (oneDNN needs that one shared, and a second, static
# copy beside it breaks streams); glibc must be as new as here. FOLDER.tar.gz is the same, packed.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?the folder to fill}
archs=${2:-80,90}
mkdir -p "$folder/lib" "$folder/performance" "$folder/golden"
folder=$(cd "$folder" && pwd)

targets=(
  //autograd/testing:cuda_tests
  //autograd/collective:nccl_test
  //autograd/device:device_test
  //autograd/ops:attention_cudnn_test
  //autograd/ops:conv2d_cudnn_test
  //experiments/rss:rss_pascal_context
  //tests/contract:device_reward_test
  //tests/contract:device_training_test
  //tests/performance:operations
  //tests/performance:training_step
)
options=(
  -c opt
  --define=mpi=false
  --@local_cuda//:archs="$archs"
  --dynamic_mode=off
  --strip=always
  # What lies in lib/ is found there, also by the libraries in it, and by nobody else on that machine.
  '--linkopt=-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib'
)
# Startup options and further options of Bazel may come from the environment.
# shellcheck disable=SC2206  # words on purpose
bazel=(./bazelw ${BAZEL_STARTUP_OPTIONS-}) options+=(${BAZEL_OPTIONS-})
"${bazel[@]}" build "${options[@]}" "${targets[@]}"
binaries=$("${bazel[@]}" info "${options[@]}" bazel-bin)
for target in "${targets[@]}"; do
  path=${target#//}
  install -m 755 "$binaries/${path/:/\/}" "$folder/"
done
strip "$folder"/cuda_tests "$folder"/*_test "$folder/rss_pascal_context" "$folder/operations" "$folder/training_step"
# $ORIGIN has passed through several command lines.
for program in "$folder"/cuda_tests "$folder"/*_test "$folder"/{rss_pascal_context,operations,training_step}; do
  readelf -d "$program" | grep -q 'RPATH.*\$ORIGIN/lib' || { echo "$program does not look for libraries in lib/ beside it" >&2; exit 1; }
done
# The libraries that are not part of every system.
ldd "$folder"/cuda_tests "$folder/rss_pascal_context" | awk '/libdnnl|libgomp|libOpenCL|libtbb|libstdc\+\+|libgcc_s/ { print $3 }' | sort -u | xargs -r cp -L -t "$folder/lib"
cp tools/gpu_check/{gpu_check,kernel_times,programs}.py "$folder/"
cp tests/performance/*.py "$folder/performance/"
cp tests/golden/*.py "$folder/golden/"
tar -C "$(dirname "$folder")" -czf "$folder.tar.gz" "$(basename "$folder")"
du -sh "$folder" "$folder.tar.gz"
echo "There: python3 gpu_check.py"
