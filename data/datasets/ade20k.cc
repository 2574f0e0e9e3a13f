#include "data/datasets/ade20k.h"

#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"
#include "data/formats/image_header.h"

namespace data {
namespace {

namespace fs = std::filesystem;

struct Ade20kClass {
  const char* name;
  Color color;
};

// Position + 1 = value in the label files. Road and skyscraper share a colour: labels cannot be read from colours.
constexpr Ade20kClass kClasses[] = {
    {"wall", {120, 120, 120}},
    {"building", {180, 120, 120}},
    {"sky", {6, 230, 230}},
    {"floor", {80, 50, 50}},
    {"tree", {4, 200, 3}},
    {"ceiling", {120, 120, 80}},
    {"road", {140, 140, 140}},
    {"bed", {204, 5, 255}},
    {"windowpane", {230, 230, 230}},
    {"grass", {4, 250, 7}},
    {"cabinet", {224, 5, 255}},
    {"sidewalk", {235, 255, 7}},
    {"person", {150, 5, 61}},
    {"earth", {120, 120, 70}},
    {"door", {8, 255, 51}},
    {"table", {255, 6, 82}},
    {"mountain", {143, 255, 140}},
    {"plant", {204, 255, 4}},
    {"curtain", {255, 51, 7}},
    {"chair", {204, 70, 3}},
    {"car", {0, 102, 200}},
    {"water", {61, 230, 250}},
    {"painting", {255, 6, 51}},
    {"sofa", {11, 102, 255}},
    {"shelf", {255, 7, 71}},
    {"house", {255, 9, 224}},
    {"sea", {9, 7, 230}},
    {"mirror", {220, 220, 220}},
    {"rug", {255, 9, 92}},
    {"field", {112, 9, 255}},
    {"armchair", {8, 255, 214}},
    {"seat", {7, 255, 224}},
    {"fence", {255, 184, 6}},
    {"desk", {10, 255, 71}},
    {"rock", {255, 41, 10}},
    {"wardrobe", {7, 255, 255}},
    {"lamp", {224, 255, 8}},
    {"bathtub", {102, 8, 255}},
    {"railing", {255, 61, 6}},
    {"cushion", {255, 194, 7}},
    {"base", {255, 122, 8}},
    {"box", {0, 255, 20}},
    {"column", {255, 8, 41}},
    {"signboard", {255, 5, 153}},
    {"chest of drawers", {6, 51, 255}},
    {"counter", {235, 12, 255}},
    {"sand", {160, 150, 20}},
    {"sink", {0, 163, 255}},
    {"skyscraper", {140, 140, 140}},
    {"fireplace", {250, 10, 15}},
    {"refrigerator", {20, 255, 0}},
    {"grandstand", {31, 255, 0}},
    {"path", {255, 31, 0}},
    {"stairs", {255, 224, 0}},
    {"runway", {153, 255, 0}},
    {"case", {0, 0, 255}},
    {"pool table", {255, 71, 0}},
    {"pillow", {0, 235, 255}},
    {"screen door", {0, 173, 255}},
    {"stairway", {31, 0, 255}},
    {"river", {11, 200, 200}},
    {"bridge", {255, 82, 0}},
    {"bookcase", {0, 255, 245}},
    {"blind", {0, 61, 255}},
    {"coffee table", {0, 255, 112}},
    {"toilet", {0, 255, 133}},
    {"flower", {255, 0, 0}},
    {"book", {255, 163, 0}},
    {"hill", {255, 102, 0}},
    {"bench", {194, 255, 0}},
    {"countertop", {0, 143, 255}},
    {"stove", {51, 255, 0}},
    {"palm", {0, 82, 255}},
    {"kitchen island", {0, 255, 41}},
    {"computer", {0, 255, 173}},
    {"swivel chair", {10, 0, 255}},
    {"boat", {173, 255, 0}},
    {"bar", {0, 255, 153}},
    {"arcade machine", {255, 92, 0}},
    {"hovel", {255, 0, 255}},
    {"bus", {255, 0, 245}},
    {"towel", {255, 0, 102}},
    {"light", {255, 173, 0}},
    {"truck", {255, 0, 20}},
    {"tower", {255, 184, 184}},
    {"chandelier", {0, 31, 255}},
    {"awning", {0, 255, 61}},
    {"streetlight", {0, 71, 255}},
    {"booth", {255, 0, 204}},
    {"television receiver", {0, 255, 194}},
    {"airplane", {0, 255, 82}},
    {"dirt track", {0, 10, 255}},
    {"apparel", {0, 112, 255}},
    {"pole", {51, 0, 255}},
    {"land", {0, 194, 255}},
    {"bannister", {0, 122, 255}},
    {"escalator", {0, 255, 163}},
    {"ottoman", {255, 153, 0}},
    {"bottle", {0, 255, 10}},
    {"buffet", {255, 112, 0}},
    {"poster", {143, 255, 0}},
    {"stage", {82, 0, 255}},
    {"van", {163, 255, 0}},
    {"ship", {255, 235, 0}},
    {"fountain", {8, 184, 170}},
    {"conveyer belt", {133, 0, 255}},
    {"canopy", {0, 255, 92}},
    {"washer", {184, 0, 255}},
    {"plaything", {255, 0, 31}},
    {"swimming pool", {0, 184, 255}},
    {"stool", {0, 214, 255}},
    {"barrel", {255, 0, 112}},
    {"basket", {92, 255, 0}},
    {"waterfall", {0, 224, 255}},
    {"tent", {112, 224, 255}},
    {"bag", {70, 184, 160}},
    {"minibike", {163, 0, 255}},
    {"cradle", {153, 0, 255}},
    {"oven", {71, 255, 0}},
    {"ball", {255, 0, 163}},
    {"food", {255, 204, 0}},
    {"step", {255, 0, 143}},
    {"tank", {0, 255, 235}},
    {"trade name", {133, 255, 0}},
    {"microwave", {255, 0, 235}},
    {"pot", {245, 0, 255}},
    {"animal", {255, 0, 122}},
    {"bicycle", {255, 245, 0}},
    {"lake", {10, 190, 212}},
    {"dishwasher", {214, 255, 0}},
    {"screen", {0, 204, 255}},
    {"blanket", {20, 0, 255}},
    {"sculpture", {255, 255, 0}},
    {"hood", {0, 153, 255}},
    {"sconce", {0, 41, 255}},
    {"vase", {0, 255, 204}},
    {"traffic light", {41, 0, 255}},
    {"tray", {41, 255, 0}},
    {"ashcan", {173, 0, 255}},
    {"fan", {0, 245, 255}},
    {"pier", {71, 0, 255}},
    {"crt screen", {122, 0, 255}},
    {"plate", {0, 255, 184}},
    {"monitor", {0, 92, 255}},
    {"bulletin board", {184, 255, 0}},
    {"shower", {0, 133, 255}},
    {"radiator", {255, 214, 0}},
    {"glass", {25, 194, 194}},
    {"clock", {102, 255, 0}},
    {"flag", {92, 0, 255}},
};
static_assert(std::size(kClasses) == 150);

constexpr uint8_t kOtherObjects = 0;
constexpr char kFullSuffix[] = "_seg.png";

DatasetInfo Ade20kInfo(const std::string& split) {
  DatasetInfo info;
  info.name = "ade20k";
  info.split = split;
  for (const Ade20kClass& entry : kClasses) {
    info.class_names.push_back(entry.name);
    info.palette.push_back(entry.color);
    info.stored_values.push_back(static_cast<uint8_t>(info.class_names.size()));
  }
  info.labelled = split != "test";
  return info;
}

fs::path FindRoot(const fs::path& root) {
  for (const fs::path& below : {root / "ADEChallengeData2016", root / "ade" / "ADEChallengeData2016"}) {
    if (Exists(below / "images")) return below;
  }
  return root;
}

fs::path Above(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::absolute(folder, error).lexically_normal();
  return whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path();
}

// Of the places where people put them, the first that is there.
fs::path TestImages(const fs::path& data_root, const fs::path& root) {
  const fs::path released = fs::path("release_test") / "testing";
  for (const fs::path& folder : {data_root / released, root / released, Above(root) / released,
                                 root / "images" / "testing", data_root / "testing"}) {
    if (Exists(folder)) return folder;
  }
  return data_root / released;
}

// A file or folder that only the full ADE20K has.
std::optional<fs::path> SignOfFullAde20k(const fs::path& data_root, const fs::path& root) {
  for (const fs::path& folder : {data_root, data_root / "ADE20K_2016_07_26", data_root / "ADE20K_2021_17_01"}) {
    for (const char* name : {"images/ADE", "index_ade20k.pkl", "index_ade20k.mat"}) {
      if (Exists(folder / name)) return folder / name;
    }
  }
  for (const char* part : {"images", "annotations"}) {
    for (const char* split : {"training", "validation"}) {
      // In images/ the release of 2016 has folders of scenes in folders of first letters.
      if (HasFile((root / part / split).string(), kFullSuffix, /*depth=*/2))
        return root / part / split / absl::StrCat("*", kFullSuffix);
    }
  }
  return std::nullopt;
}

absl::Status FullAde20k(const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(what,
                   ", as in the full ADE20K, whose thousands of classes are no SceneParsing-150; the dataset "
                   "'ade20k' is that benchmark's ADEChallengeData2016"));
}

// The folder of the labels is there and has nothing of the full ADE20K.
absl::Status CheckLabels(const fs::path& folder, const std::string& data_root, const fs::path& root) {
  if (Exists(folder) && !HasFile(folder.string(), kFullSuffix, /*depth=*/0)) return absl::OkStatus();
  if (const std::optional<fs::path> sign = SignOfFullAde20k(data_root, root); sign.has_value())
    return FullAde20k(absl::StrCat("data root '", data_root, "' holds '", sign->string(), "'"));
  return absl::NotFoundError(absl::StrCat("data root '", data_root, "' holds no ADEChallengeData2016/annotations/",
                                          folder.filename().string(), ", the label maps of SceneParsing-150"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenAde20k(const std::string& data_root, const std::string& split,
                                                    const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "ADE20K"); !status.ok()) return status;
  if (split != "train" && split != "val" && split != "test")
    return absl::InvalidArgumentError(absl::StrCat("ADE20K has no split '", split, "'; train, val, test"));
  const fs::path root = FindRoot(data_root);
  FileDatasetContents contents;
  contents.info = Ade20kInfo(split);
  contents.encoding = EncodingOf(contents.info, {kOtherObjects});
  const char* folder = split == "train" ? "training" : "validation";
  FileGroup images = {(root / "images" / folder).string(), ".jpg"}, labels;
  if (contents.info.labelled) {
    labels = {(root / "annotations" / folder).string(), ".png"};
    if (absl::Status status = CheckLabels(labels.folder, data_root, root); !status.ok()) return status;
  } else {
    images.folder = TestImages(data_root, root).string();
  }
  if (absl::Status status = PairFiles(images, labels, contents); !status.ok())
    return absl::Status(status.code(), absl::StrCat("ADE20K, split '", split, "': ", status.message()));
  if (contents.info.labelled) {
    const std::string& first = contents.files.front().label;
    const absl::StatusOr<ImageHeader> header = ReadImageHeader(first);
    if (header.ok() && !header->has_indices) return FullAde20k(absl::StrCat("label map '", first, "' has colours"));
  }
  return FileDataset::Create(std::move(contents), options);
}

}  // namespace data
