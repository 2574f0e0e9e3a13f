// main() of a fuzzer's test: runs it over the files of its corpus, over every file cut short, and over files with a few
// bytes changed. The changes are the same in every run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kTruncations = 64;
constexpr int kMutations = 256;
constexpr uint32_t kMostChangedBytes = 4;

void RunOne(const Bytes& input) {
  // A block of exactly this size, so that a sanitizer sees the first byte read past the end.
  const auto copy = std::make_unique<uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), input.size());
}

void RunTruncations(const Bytes& input) {
  for (size_t i = 0; i < kTruncations; ++i) {
    const auto end = input.begin() + static_cast<std::ptrdiff_t>(input.size() * i / kTruncations);
    RunOne(Bytes(input.begin(), end));
  }
}

void RunMutations(const Bytes& input) {
  if (input.empty()) return;
  std::mt19937 random;
  for (int i = 0; i < kMutations; ++i) {
    Bytes changed = input;
    const uint32_t count = 1 + random() % kMostChangedBytes;
    for (uint32_t j = 0; j < count; ++j) changed[random() % changed.size()] = static_cast<uint8_t>(random());
    RunOne(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  RunOne({});
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot open %s\n", argv[i]);
      return 1;
    }
    const Bytes input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    RunOne(input);
    RunTruncations(input);
    RunMutations(input);
  }
  std::printf("%d corpus files replayed\n", argc - 1);
}
