#pragma once

// The models of //seg beside the values in a golden file, whatever its size: the configuration is read from the tensors' shapes and the
// metadata.

#include <string>
#include <vector>

#include "tests/golden/golden_file.h"

namespace golden {

struct Difference {
  std::string name;  // of the file's tensor
  double value = 0;  // max |ours − file's| / max |file's|; infinity where shapes differ or a number is not finite
};

// What PyTorch's float64 and our float32 may differ by.
inline constexpr double kTolerance = 1e-4;

// Files of convnextv2.py: stages, loss, every gradient.
std::vector<Difference> CompareConvNeXtV2(const File& file);

// Files of sfpnext.py: evaluation, a training step with every gradient, running statistics.
std::vector<Difference> CompareSFPNeXt(const File& file);

// By what is in the file.
std::vector<Difference> Compare(const File& file);

}  // namespace golden
