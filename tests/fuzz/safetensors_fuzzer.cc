// nn::SafetensorsFile on any bytes: what it accepts can be read to the last byte of every tensor.

#include <cstddef>
#include <cstdint>
#include <string>

#include "autograd/runtime/error.h"
#include "nn/checkpoints/safetensors.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::MemoryFile bytes;
  bytes.Fill(data, size);
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(bytes.path());
  if (!file.ok()) return 0;
  uint64_t covered = 0;
  for (const nn::TensorInfo& tensor : file->tensors()) {
    const absl::StatusOr<std::string> contents = file->Read(tensor);
    autograd::Require(contents.ok(), "SafetensorsFile", tensor.name, ": ", contents.status().message());
    uint64_t expected = static_cast<uint64_t>(nn::SafetensorsElementSize(tensor.dtype));
    for (int64_t extent : tensor.shape) expected *= static_cast<uint64_t>(extent);
    autograd::Require(contents->size() == expected, "SafetensorsFile", tensor.name, " has ", contents->size(),
                      " bytes instead of ", expected);
    covered += expected;
  }
  autograd::Require(covered < size, "SafetensorsFile", "gave ", covered, " bytes of a file of ", size);
  return 0;
}
