#include "data/datasets/open_dataset.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/datasets/ade20k.h"
#include "data/datasets/camvid.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/human_parsing.h"
#include "data/datasets/mapillary.h"
#include "data/datasets/night_driving.h"
#include "data/datasets/voc2012.h"

namespace data {
namespace {

using OpenedDataset = absl::StatusOr<std::unique_ptr<Dataset>>;

struct Request {
  const std::string& data_root;
  const std::string& split;
  const DatasetOptions& options;
  const FileOptions files;
};

// A dataset that is told no more than where its files are, and how they are taken.
template <OpenedDataset (*kOpen)(const std::string&, const std::string&, const FileOptions&)>
OpenedDataset Open(const Request& request) {
  return kOpen(request.data_root, request.split, request.files);
}

OpenedDataset OpenScenes(const Request& request) { return SceneDataset::Create(request.split, request.options.scenes); }

template <CamVidPart kPart>
OpenedDataset OpenCamVidPart(const Request& request) {
  return OpenCamVid(request.data_root, request.split, request.files, kPart);
}

template <bool kBackgroundClass>
OpenedDataset OpenContext(const Request& request) {
  return OpenPascalContext(request.data_root, request.split,
                           {.background_class = kBackgroundClass, .order = request.options.pascal_context_order},
                           request.files);
}

template <bool kAugmented>
OpenedDataset OpenVoc(const Request& request) {
  return OpenVoc2012(request.data_root, request.split, {.augmented = kAugmented}, request.files);
}

OpenedDataset OpenMapillaryV1(const Request& request) {
  return OpenMapillary(request.data_root, request.split, {.version = "v1.2"}, request.files);
}

OpenedDataset OpenMapillaryV2(const Request& request) {
  return OpenMapillary(request.data_root, request.split, {.version = "v2.0"}, request.files);
}

struct NamedDataset {
  const char* name;
  OpenedDataset (*open)(const Request& request);
};

// What --dataset takes: a row is all that a dataset needs here.
constexpr NamedDataset kDatasets[] = {
    {"scenes", OpenScenes},  // embedded: `data_root` is not looked at
    {"camvid", OpenCamVidPart<CamVidPart::kAll>},
    {"camvid_day", OpenCamVidPart<CamVidPart::kDay>},
    {"camvid_dusk", OpenCamVidPart<CamVidPart::kDusk>},  // a target: its only split is test
    {"pascal_context", OpenContext<false>},              // 59 classes
    {"pascal_context_60", OpenContext<true>},            // with the background
    {"voc2012", OpenVoc<false>},
    {"voc2012_aug", OpenVoc<true>},  // its "train" is trainaug
    {"ade20k", Open<OpenAde20k>},    // SceneParsing-150
    {"cityscapes", Open<OpenCityscapes>},
    {"mapillary", OpenMapillaryV1},     // version 1.2
    {"mapillary_v2", OpenMapillaryV2},  // version 2.0
    {"lip", Open<OpenLip>},
    {"cihp", Open<OpenCihp>},
    {"dark_zurich", Open<OpenDarkZurich>},
    {"nighttime_driving", Open<OpenNighttimeDriving>},
};

}  // namespace

std::vector<std::string> DatasetNames() {
  std::vector<std::string> names;
  for (const NamedDataset& dataset : kDatasets) names.push_back(dataset.name);
  return names;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const std::string& name, const std::string& data_root,
                                                     const std::string& split, const DatasetOptions& options) {
  const FileOptions files = {.incomplete = options.incomplete,
                             .reading = {.ignore_orientation = options.ignore_orientation}};
  for (const NamedDataset& dataset : kDatasets) {
    if (name == dataset.name) return dataset.open({data_root, split, options, files});
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no dataset '", name, "'; there are ", absl::StrJoin(DatasetNames(), ", ")));
}

}  // namespace data
