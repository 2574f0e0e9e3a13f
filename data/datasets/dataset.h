// What every dataset gives: an image, its label map in train ids, and a description of the classes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/formats/image.h"

namespace data {

struct Sample {
  Image image;        // RGB
  LabelMap label;     // of the image's size; train ids 0 .. classes-1, or kVoidLabel
  std::string id;     // the file's stem, or what a generated dataset calls it
  int64_t index = 0;  // position in the dataset
};

struct DatasetInfo {
  int num_classes() const { return static_cast<int>(class_names.size()); }

  std::string name;
  std::string split;
  std::vector<std::string> class_names;  // by train id
  std::vector<Color> palette;            // by train id
  // What the dataset's label files (and the submissions to its evaluation server) store for a train id.
  std::vector<uint8_t> stored_values;
  // The label files, and the submissions to the server, are palette PNGs: the colours are the palette's.
  bool palette_files = false;
  // False for a split whose labels are the evaluation server's secret: every pixel is void.
  bool labelled = true;
  uint8_t void_label = kVoidLabel;
  // By train id, what its pixels are called in the mirrored image: human parsing tells left limbs from right ones. Its
  // own inverse. Empty where no class changes.
  std::vector<uint8_t> mirrored_classes;
  // RGB, on the 0..255 scale: ImageNet's, which most published weights expect.
  std::array<float, 3> mean = {123.675f, 116.28f, 103.53f};
  std::array<float, 3> standard_deviation = {58.395f, 57.12f, 57.375f};
};

// A file that a split needs and lacks.
struct MissingFile {
  std::string id;    // of the sample
  std::string kind;  // "image" or "label map"
  std::string path;
};

// What to do with samples that lack a file.
enum class IncompleteSamples {
  kRefuse,  // the dataset is not opened: a hole in the data should end a run in its first second, not in its third hour
  kSkip,    // they are left out, and Dataset::Missing() lists them
};

// How the files of a dataset are taken.
struct FileOptions {
  IncompleteSamples incomplete = IncompleteSamples::kRefuse;
  ReadOptions reading = {};
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual const DatasetInfo& info() const = 0;
  virtual int64_t size() const = 0;

  // Sample `index`, 0 <= index < size(); OutOfRange otherwise. Errors of files name the file. Thread-safe,
  // and the same sample every time.
  virtual absl::StatusOr<Sample> Load(int64_t index) const = 0;

  // The missing files of the samples that were left out; empty unless the dataset was opened with kSkip.
  virtual std::vector<MissingFile> Missing() const { return {}; }

  // What a person should know about how the files were taken, one line each: entries that a list repeats, files that
  // are left out. For programs to print once.
  virtual std::vector<std::string> Notes() const { return {}; }

  // Looks at every file without decoding it: that it can be opened, that its header makes sense and its end is there,
  // that image and label have one size. The error is that of the first sample that has one, whatever the number of
  // threads. `interrupted` is asked now and then, from several threads at once; if it says true the answer is
  // Cancelled.
  virtual absl::Status CheckFiles(const std::function<bool()>& interrupted = nullptr) const {
    return interrupted != nullptr && interrupted() ? absl::CancelledError("the check of the files was interrupted")
                                                   : absl::OkStatus();
  }
};

}  // namespace data
