#include "data/datasets/open_dataset.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/datasets/camvid.h"

namespace data {

std::vector<std::string> DatasetNames() { return {"scenes", "camvid", "pascal_context_59", "pascal_context_60"}; }

absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const std::string& name, const std::string& data_root,
                                                     const std::string& split, const DatasetOptions& options) {
  if (name == "scenes") return SceneDataset::Create(split, options.scenes);
  if (name == "camvid") return OpenCamVid(data_root, split);
  if (name == "pascal_context_59" || name == "pascal_context_60") {
    PascalContextOptions context;
    context.background_class = name == "pascal_context_60";
    context.order = options.pascal_context_order;
    return OpenPascalContext(data_root, split, context);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no dataset '", name, "'; there are ", absl::StrJoin(DatasetNames(), ", ")));
}

}  // namespace data
