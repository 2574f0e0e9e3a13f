// data::ParseList on any bytes: lines in their order, none empty, each with its fields, or a status.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/datasets/split_list.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<std::vector<data::ListLine>> lines =
      data::ParseList({reinterpret_cast<const char*>(data), size});
  if (!lines.ok()) return 0;
  int number = 0;
  for (const data::ListLine& line : *lines) {
    autograd::Require(line.number > number, "ParseList", "line ", line.number, " behind line ", number);
    number = line.number;
    autograd::Require(!line.text.empty() && !line.fields.empty(), "ParseList", "line ", number, " is empty");
    for (const char separator : {'\0', '\r', '\n'}) {
      autograd::Require(line.text.find(separator) == line.text.npos, "ParseList", "line ", number, " has character ",
                        int{separator});
    }
  }
  return 0;
}
