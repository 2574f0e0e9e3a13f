#include "data/datasets/open_dataset.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/datasets/camvid.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/mapillary.h"
#include "data/datasets/voc2012.h"

namespace data {

std::vector<std::string> DatasetNames() {
  return {"scenes",      "camvid",     "pascal_context", "pascal_context_60", "voc2012",
          "voc2012_aug", "cityscapes", "mapillary",      "mapillary_v2"};
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const std::string& name, const std::string& data_root,
                                                     const std::string& split, const DatasetOptions& options) {
  const FileOptions files = {.incomplete = options.incomplete,
                             .reading = {.ignore_orientation = options.ignore_orientation}};
  if (name == "scenes") return SceneDataset::Create(split, options.scenes);
  if (name == "camvid") return OpenCamVid(data_root, split, files);
  if (name == "pascal_context" || name == "pascal_context_60") {
    PascalContextOptions context;
    context.background_class = name == "pascal_context_60";
    context.order = options.pascal_context_order;
    return OpenPascalContext(data_root, split, context, files);
  }
  if (name == "voc2012" || name == "voc2012_aug")
    return OpenVoc2012(data_root, split, {.augmented = name == "voc2012_aug"}, files);
  if (name == "cityscapes") return OpenCityscapes(data_root, split, files);
  if (name == "mapillary" || name == "mapillary_v2") {
    return OpenMapillary(data_root, split, {.version = name == "mapillary" ? "v1.2" : "v2.0"}, files);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no dataset '", name, "'; there are ", absl::StrJoin(DatasetNames(), ", ")));
}

}  // namespace data
