// data::DecodeMatIndexMap on any bytes: a map whose values fit its size, or a status.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/formats/mat.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const char* variable : {"LabelMap", "GTcls.Segmentation"}) {
    const absl::StatusOr<data::IndexMap> map =
        data::DecodeMatIndexMap({reinterpret_cast<const char*>(data), size}, variable);
    if (!map.ok()) continue;
    autograd::Require(map->values.size() == size_t{1} * map->height * map->width, "DecodeMatIndexMap",
                      map->values.size(), " values for ", map->height, " x ", map->width);
  }
  return 0;
}
