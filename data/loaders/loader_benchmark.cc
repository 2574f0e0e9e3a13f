// Images a second that a loader delivers, for files with the usual augmentation and for embedded scenes.
//
//   bazel run //data/loaders:loader_benchmark [-- threads [data_root]]
//
// Without a data root, CamVid-like JPEG files of 480 x 360 are written to the temporary folder first.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "data/datasets/camvid.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "data/loaders/loader.h"
#include "data/scenes/scene_dataset.h"

namespace data {
namespace {

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// Scenes of CamVid's size in CamVid's layout.
std::string WriteFiles(int count) {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / "loader_benchmark";
  fs::create_directories(root / "train");
  fs::create_directories(root / "trainannot");
  SceneOptions options;
  options.height = 360;
  options.width = 480;
  const auto scenes = SceneDataset::Create("train", options);
  Check(scenes.status());
  std::string list;
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<Sample> sample = (*scenes)->Load(i);
    Check(sample.status());
    Check(autograd::WriteFileAtomically(root / "train" / absl::StrCat(i, ".jpg"), EncodeJpeg(sample->image)));
    Check(WriteLabelPng(root / "trainannot" / absl::StrCat(i, ".png"), sample->label));
    absl::StrAppend(&list, "train/", i, ".jpg trainannot/", i, ".png\n");
  }
  Check(autograd::WriteFileAtomically(root / "train.txt", list));
  return root;
}

void Measure(const char* name, const Dataset& dataset, const TransformPipeline& pipeline, int size, int threads) {
  LoaderOptions options;
  options.batch_size = 16;
  options.threads = threads;
  options.shuffle = true;
  options.height = options.width = size;
  const auto loader = Loader::Create(&dataset, pipeline, options);
  Check(loader.status());
  Check((*loader)->Next().status());  // the first batch pays for the start
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  int images = 0;
  double seconds = 0;
  while (seconds < 3) {
    const absl::StatusOr<Batch> batch = (*loader)->Next();
    Check(batch.status());
    images += batch->size;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  std::printf("%-44s %d threads  %8.0f images/s\n", name, threads, images / seconds);
}

int Main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  const auto files = OpenCamVid(argc > 2 ? argv[2] : WriteFiles(64), "train");
  Check(files.status());
  Measure("JPEG 480x360, read only", **files, {}, 480, threads);
  Measure("JPEG 480x360, resize, crop 360, flip, colours", **files,
          {FitResizeAndCrop({.long_side = 480, .short_side = 360, .crop_height = 360, .crop_width = 360}),
           HorizontalFlip(0.5f), PhotometricDistortion({})},
          360, threads);
  for (const int size : {64, 128}) {
    SceneOptions options;
    options.height = options.width = size;
    const auto scenes = SceneDataset::Create("train", options);
    Check(scenes.status());
    Measure(absl::StrCat("scenes ", size, "x", size).c_str(), **scenes, {HorizontalFlip(0.5f)}, size, threads);
  }
  return 0;
}

}  // namespace
}  // namespace data

int main(int argc, char** argv) { return data::Main(argc, argv); }
