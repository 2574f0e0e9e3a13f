// compare_models [--float64] FILE: the same comparison for a file of any size, such as check_full.py makes. Prints the
// largest relative difference of each output and over all gradients and statistics; exits with 1 where one is above the
// tolerance, and with 2 where the file is not as expected. In float64 what differs is another formula; slow.
//
// compare_models --save FOLDER FILE: a network of the same shapes with weights of our own making, and its outputs, for
// export_check.py.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/runtime/error.h"
#include "tests/golden/comparison.h"

namespace {

// What PyTorch's float64 and our float32 may differ by in a full-size network before somebody looks.
constexpr double kTolerance = 1e-4;

void Print(const golden::Difference& difference) {
  std::printf("  %-28s %.2e%s\n", difference.name.c_str(), difference.value,
              difference.value <= kTolerance ? "" : "  ABOVE THE TOLERANCE");
}

// The tensors behind a prefix as one line, with the worst of them by name.
void PrintWorst(const std::vector<golden::Difference>& differences, const std::string& prefix) {
  const golden::Difference* worst = nullptr;
  int count = 0;
  for (const golden::Difference& difference : differences) {
    if (!absl::StartsWith(difference.name, prefix)) continue;
    ++count;
    if (worst == nullptr || difference.value > worst->value) worst = &difference;
  }
  if (worst == nullptr) return;
  Print({std::to_string(count) + " × " + prefix + "*", worst->value});
  std::printf("      the worst is %s\n", worst->name.c_str());
}

int Run(const std::string& path, const golden::Arithmetic& arithmetic) {
  const golden::File file(path);
  const std::vector<golden::Difference> differences = golden::Compare(file, arithmetic);
  std::printf("%s: %s in %s, tolerance %.0e\n", path.c_str(), file.Metadata("model").c_str(),
              std::string(autograd::Name(arithmetic.compute)).c_str(), kTolerance);
  for (const golden::Difference& difference : differences) {
    if (!absl::StartsWith(difference.name, "gradient.") && !absl::StartsWith(difference.name, "updated."))
      Print(difference);
  }
  PrintWorst(differences, "gradient.");
  PrintWorst(differences, "updated.");
  return std::all_of(differences.begin(), differences.end(),
                     [](const golden::Difference& difference) { return difference.value <= kTolerance; })
             ? 0
             : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool save = argc == 4 && std::string(argv[1]) == "--save";
  const bool float64 = argc == 3 && std::string(argv[1]) == "--float64";
  if (argc != 2 && !save && !float64) {
    std::fprintf(stderr, "usage: compare_models [--float64 | --save FOLDER] FILE.safetensors\n");
    return 2;
  }
  try {
    if (!save) return Run(argv[argc - 1], {float64 ? autograd::kFloat64 : autograd::kFloat32});
    golden::SaveOurs(golden::File(argv[3]), argv[2]);
    return 0;
  } catch (const autograd::Error& error) {
    std::fprintf(stderr, "compare_models: %s\n", error.what());
    return 2;
  }
}
