// What is in a dataset, before a night is spent on it: sizes, classes, void, files that are missing or cannot be read,
// and a picture with samples and a legend.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/parallel.h"
#include "data/formats/png.h"
#include "data/scenes/scene_dataset.h"
#include "data/transforms/resize.h"
#include "experiments/report/overlay.h"
#include "experiments/report/picture_text.h"
#include "experiments/report/text_table.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"

namespace experiments {
namespace {

constexpr int64_t kEndlessLimit = 500;  // samples of a dataset without an end
constexpr size_t kListed = 10;          // lines on the screen; files have all
constexpr size_t kNamed = 12;           // classes that never occur stay in the table

struct Statistics {
  int64_t images = 0, pixels = 0, void_pixels = 0, oriented = 0;
  std::vector<int64_t> class_pixels, class_images;
  std::map<std::pair<int, int>, int64_t> sizes;  // (width, height) -> images
  std::map<int64_t, std::string> failures;       // index -> what is wrong
};

void Count(const data::Sample& sample, Statistics& statistics) {
  std::vector<int64_t> counts(256);
  for (const uint8_t value : sample.label.values) ++counts[value];
  ++statistics.images;
  statistics.oriented += sample.image.orientation > 1 ? 1 : 0;
  statistics.pixels += static_cast<int64_t>(sample.label.values.size());
  statistics.void_pixels += counts[data::kVoidLabel];
  ++statistics.sizes[{sample.image.width, sample.image.height}];
  for (size_t k = 0; k < statistics.class_pixels.size(); ++k) {
    statistics.class_pixels[k] += counts[k];
    statistics.class_images[k] += counts[k] > 0;
  }
}

Statistics Inspect(const data::Dataset& dataset, const std::vector<int64_t>& indices) {
  Statistics statistics;
  statistics.class_pixels.resize(dataset.info().num_classes());
  statistics.class_images.resize(dataset.info().num_classes());
  std::mutex mutex;
  autograd::ParallelPieces(static_cast<int64_t>(indices.size()), [&](int64_t i) {
    const absl::StatusOr<data::Sample> sample = dataset.Load(indices[i]);
    const std::lock_guard<std::mutex> lock(mutex);
    if (sample.ok()) {
      Count(*sample, statistics);
    } else {
      statistics.failures[indices[i]] = std::string(sample.status().message());
    }
  });
  return statistics;
}

// `count` of `size` indices, evenly spread.
std::vector<int64_t> Spread(int64_t size, int64_t count) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < std::min(size, count); ++i)
    indices.push_back(count >= size ? i : i * (size / count) + i * (size % count) / count);
  return indices;
}

// "1 image", "2 images".
std::string Images(int64_t count) { return absl::StrCat(count, count == 1 ? " image" : " images"); }

// A class without a pixel is to be seen at a glance.
std::string Percent(int64_t part, int64_t whole) {
  return part == 0 ? "–" : absl::StrFormat("%.3f", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

// The classes that are seen; if only a few are not, those as well.
std::string ClassTable(const data::DatasetInfo& info, const Statistics& statistics, bool absent) {
  const int64_t counted = statistics.pixels - statistics.void_pixels;
  TableRows rows = {{"class", "pixels %", "images"}};
  for (int k = 0; k < info.num_classes(); ++k) {
    if (!absent && statistics.class_pixels[k] == 0) continue;
    rows.push_back(
        {info.class_names[k], Percent(statistics.class_pixels[k], counted), absl::StrCat(statistics.class_images[k])});
  }
  return FormatTextTable(SideBySide(rows));
}

// Names on lines of a terminal's width.
std::string Wrapped(const std::vector<std::string>& names) {
  constexpr size_t kWidth = 100;
  std::string text, line;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = absl::StrCat(names[i], i + 1 < names.size() ? "," : "");
    if (!line.empty() && line.size() + 1 + name.size() > kWidth) {
      absl::StrAppend(&text, line, "\n  ");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", name);
  }
  return text + line;
}

std::string Sizes(const std::map<std::pair<int, int>, int64_t>& sizes) {
  const auto name = [](const std::pair<int, int>& size) { return absl::StrCat(size.first, "×", size.second); };
  if (sizes.empty()) return "–";
  if (sizes.size() == 1) return absl::StrCat("all ", name(sizes.begin()->first));
  const auto area = [](const auto& entry) { return int64_t{entry.first.first} * entry.first.second; };
  const auto [smallest, largest] = std::minmax_element(
      sizes.begin(), sizes.end(), [area](const auto& a, const auto& b) { return area(a) < area(b); });
  const auto usual =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::string most =
      usual->second == 1 ? "" : absl::StrCat(", most often ", name(usual->first), " (", Images(usual->second), ")");
  return absl::StrCat(sizes.size(), " sizes from ", name(smallest->first), " to ", name(largest->first), most);
}

void PrintStatistics(const data::Dataset& dataset, const Statistics& statistics) {
  const data::DatasetInfo& info = dataset.info();
  const bool endless = dataset.size() == data::SceneOptions::kUnlimited;
  const std::string size = endless ? "endless images" : Images(dataset.size());
  const std::string read = statistics.images == dataset.size() ? "" : absl::StrCat(" (", statistics.images, " read)");
  std::printf("%s, split %s: %s%s, %d classes\n", info.name.c_str(), info.split.c_str(), size.c_str(), read.c_str(),
              info.num_classes());
  std::printf("sizes   %s\n", Sizes(statistics.sizes).c_str());
  if (statistics.oriented > 0)
    std::printf("tags    %s turned or mirrored by an orientation tag, which is obeyed unless --ignore_orientation\n",
                Images(statistics.oriented).c_str());
  for (const std::string& note : dataset.Notes()) std::printf("note    %s\n", note.c_str());
  if (!info.labelled) {
    std::printf("labels  none: they are the test server's\n");
    return;
  }
  const std::string pixels = statistics.pixels < 1000000 ? absl::StrCat(statistics.pixels)
                                                         : absl::StrFormat("%.1f million", 1e-6 * statistics.pixels);
  std::vector<std::string> absent;
  for (int k = 0; k < info.num_classes(); ++k) {
    if (statistics.class_pixels[k] == 0) absent.push_back(info.class_names[k]);
  }
  const bool few = absent.size() <= kNamed;
  const std::string share = Percent(statistics.void_pixels, statistics.pixels);
  std::printf("void    %s of %s pixels\n\n%s", statistics.void_pixels == 0 ? "none" : (share + " %").c_str(),
              pixels.c_str(), ClassTable(info, statistics, /*absent=*/few).c_str());
  if (!absent.empty() && few) std::printf("\nnever seen: %s\n", absl::StrJoin(absent, ", ").c_str());
  if (!few) std::printf("\nnever seen: %zu classes\n  %s\n", absent.size(), Wrapped(absent).c_str());
}

// The lines on the screen, the first ones if they are many, and all of them in `path`.
absl::Status List(const std::string& title, const std::vector<std::string>& lines, const std::string& path) {
  if (lines.empty()) return absl::OkStatus();
  std::printf("\n%s: %zu\n", title.c_str(), lines.size());
  for (size_t i = 0; i < std::min(lines.size(), kListed); ++i) std::printf("  %s\n", lines[i].c_str());
  if (lines.size() > kListed) std::printf("  … and %zu more in %s\n", lines.size() - kListed, path.c_str());
  return autograd::WriteFileAtomically(path, absl::StrJoin(lines, "\n") + "\n");
}

// ---- the picture

constexpr int kCellWidth = 400, kCellHeight = 270, kGap = 12, kTextScale = 2, kLineHeight = 22, kSwatch = 16;
constexpr data::Color kPaper = {255, 255, 255}, kInk = {32, 32, 32}, kFaint = {120, 120, 120};

void Fill(data::Image& image, int left, int top, int width, int height, data::Color color) {
  for (int y = top; y < std::min(image.height, top + height); ++y) {
    for (int x = left; x < std::min(image.width, left + width); ++x) {
      uint8_t* pixel = image.Row(y) + 3 * x;
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
  }
}

data::Image Paper(int height, int width) {
  data::Image image(height, width);
  std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{255});
  return image;
}

// The mean of factor × factor pixels; the rest at the right and the bottom is cut off.
data::Image Shrink(const data::Image& image, int factor) {
  data::Image small(image.height / factor, image.width / factor);
  for (int y = 0; y < small.height; ++y) {
    for (int i = 0; i < 3 * small.width; ++i) {
      int sum = 0;
      for (int dy = 0; dy < factor; ++dy) {
        for (int dx = 0; dx < factor; ++dx) sum += image.Row(y * factor + dy)[3 * (i / 3 * factor + dx) + i % 3];
      }
      small.Row(y)[i] = static_cast<uint8_t>((sum + factor * factor / 2) / (factor * factor));
    }
  }
  return small;
}

// Each pixel `factor` × `factor` times.
data::Image Enlarge(const data::Image& image, int factor) {
  data::Image large(image.height * factor, image.width * factor);
  for (int y = 0; y < large.height; ++y) {
    for (int x = 0; x < large.width; ++x) std::copy_n(image.Row(y / factor) + x / factor * 3, 3, large.Row(y) + 3 * x);
  }
  return large;
}

// As large as a cell allows.
data::Image FitCell(const data::Image& image) {
  const double factor = std::min(double{kCellWidth} / image.width, double{kCellHeight} / image.height);
  if (factor >= 2) return Enlarge(image, static_cast<int>(factor));
  const int height = std::max(1, static_cast<int>(image.height * factor));
  const int width = std::max(1, static_cast<int>(image.width * factor));
  const int whole = static_cast<int>(1 / factor);
  return data::ResizeImage(whole > 1 ? Shrink(image, whole) : image, height, width);
}

// The sample's name and its classes, the largest first.
data::Image Legend(const data::DatasetInfo& info, const data::Sample& sample) {
  struct Entry {
    std::string text;
    data::Color color;
    int64_t pixels = 0;
  };
  const auto size = static_cast<int64_t>(sample.label.values.size());
  std::vector<int64_t> counts(256);
  for (const uint8_t value : sample.label.values) ++counts[value];
  std::vector<Entry> entries;
  for (int value = 0; value < 256; ++value) {
    if (counts[value] == 0) continue;
    const bool is_void = value == data::kVoidLabel;
    const std::string name = is_void ? (info.labelled ? "void" : "no labels") : info.class_names[value];
    const double share = 100.0 * static_cast<double>(counts[value]) / static_cast<double>(size);
    entries.push_back({absl::StrFormat("%s %.*f %%", name, share < 9.95 ? 1 : 0, share),
                       is_void ? kPaper : info.palette[value], counts[value]});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.pixels > b.pixels; });
  const size_t fit = kCellHeight / kLineHeight - 1;
  std::string rest;
  if (entries.size() > fit) {
    rest = absl::StrCat("and ", entries.size() - fit + 1, " more");
    entries.resize(fit - 1);
  }
  int width = TextWidth(sample.id, kTextScale);
  for (const Entry& entry : entries) width = std::max(width, kSwatch + kGap + TextWidth(entry.text, kTextScale));
  const int lines = 1 + static_cast<int>(entries.size()) + (rest.empty() ? 0 : 1);
  data::Image legend = Paper(lines * kLineHeight, std::max(width, TextWidth(rest, kTextScale) + kSwatch + kGap));
  DrawText(legend, 0, 0, sample.id, kFaint, kTextScale);
  int y = kLineHeight;
  for (const Entry& entry : entries) {
    Fill(legend, 0, y, kSwatch, kSwatch, kFaint);
    Fill(legend, 1, y + 1, kSwatch - 2, kSwatch - 2, entry.color);
    DrawText(legend, kSwatch + kGap, y + 1, entry.text, kInk, kTextScale);
    y += kLineHeight;
  }
  DrawText(legend, kSwatch + kGap, y + 1, rest, kFaint, kTextScale);
  return legend;
}

// Rows "image | labels over the image | legend" below a title, with a margin.
data::Image Poster(const data::DatasetInfo& info, const std::vector<data::Sample>& samples) {
  std::vector<std::vector<data::Image>> rows;
  int legend_width = 0;
  for (const data::Sample& sample : samples) {
    rows.push_back(
        {FitCell(sample.image), FitCell(BlendLabels(sample.image, sample.label, info.palette)), Legend(info, sample)});
    legend_width = std::max(legend_width, rows.back()[2].width);
  }
  // Pictures are centred in their cells, but legends stand at the left and begin where the picture does.
  for (std::vector<data::Image>& row : rows) {
    data::Image wide = Paper(std::max(row[0].height, row[2].height), legend_width);
    for (int y = 0; y < row[2].height; ++y) std::copy_n(row[2].Row(y), 3 * row[2].width, wide.Row(y));
    row[2] = std::move(wide);
  }
  const data::Image grid = PictureGrid(rows, kGap, kPaper);
  const std::string title = absl::StrCat(info.name, ", split ", info.split);
  const int top = kGap + kLineHeight + kGap / 2;
  const int width = std::max(grid.width, TextWidth(title, kTextScale));
  data::Image poster = Paper(top + grid.height + kGap, width + 2 * kGap);
  DrawText(poster, kGap, kGap, title, kInk, kTextScale);
  for (int y = 0; y < grid.height; ++y) std::copy_n(grid.Row(y), 3 * grid.width, poster.Row(top + y) + 3 * kGap);
  return poster;
}

absl::Status WritePoster(const data::Dataset& dataset, const std::vector<int64_t>& readable, int pictures,
                         const std::string& path) {
  std::vector<data::Sample> samples;
  for (const int64_t i : Spread(static_cast<int64_t>(readable.size()), pictures)) {
    absl::StatusOr<data::Sample> sample = dataset.Load(readable[i]);
    if (!sample.ok()) return sample.status();
    samples.push_back(*std::move(sample));
  }
  if (samples.empty()) return absl::OkStatus();
  absl::Status status = data::WritePng(path, Poster(dataset.info(), samples));
  if (status.ok()) std::printf("\npicture: %s\n", path.c_str());
  return status;
}

struct InspectOptions {
  DataOptions data;
  std::string split = "train";
  int64_t limit = 0;
  int pictures = 6;
  std::string output;

  InspectOptions() {
    data.crop = 128;  // of the scenes
    data.incomplete = data::IncompleteSamples::kSkip;
  }
  void Settings(SettingVisitor& visitor) {
    visitor.Group("What to inspect");
    visitor.Setting("split", split, "train, val, test or another split of the dataset");
    visitor.Setting("limit", limit, "look at so many samples, spread over the split; 0: all", AtLeast(0));
    visitor.Setting("pictures", pictures, "samples in the picture", AtLeast(0));
    visitor.Path("output", output, "folder for picture and lists; default: inspection/DATASET_SPLIT");
    data.Settings(visitor);
  }
};

absl::Status InspectData(const InspectOptions& options) {
  const absl::StatusOr<EvaluationData> opened = OpenEvaluationData(options.data, options.split);
  if (!opened.ok()) return opened.status();
  const data::Dataset& dataset = *opened->dataset;

  int64_t limit = options.limit;
  const bool endless = dataset.size() == data::SceneOptions::kUnlimited;
  if (limit == 0) limit = endless ? kEndlessLimit : dataset.size();
  const std::vector<int64_t> indices = Spread(endless ? limit : dataset.size(), limit);
  const Statistics statistics = Inspect(dataset, indices);
  PrintStatistics(dataset, statistics);

  const absl::StatusOr<std::string> folder = CreateOutputFolder(
      options.output.empty() ? absl::StrCat("inspection/", options.data.name, "_", dataset.info().split)
                             : options.output);
  if (!folder.ok()) return folder.status();
  std::vector<std::string> missing, unreadable;
  for (const data::MissingFile& file : dataset.Missing())
    missing.push_back(absl::StrCat(file.kind, " of ", file.id, ": ", file.path));
  for (const auto& [index, message] : statistics.failures) unreadable.push_back(message);
  absl::Status status = List("missing files", missing, absl::StrCat(*folder, "/missing.txt"));
  if (!status.ok()) return status;
  status = List("samples that cannot be read", unreadable, absl::StrCat(*folder, "/unreadable.txt"));
  if (!status.ok()) return status;

  std::vector<int64_t> readable;
  for (const int64_t index : indices) {
    if (!statistics.failures.contains(index)) readable.push_back(index);
  }
  status = WritePoster(dataset, readable, options.pictures, absl::StrCat(*folder, "/pictures.png"));
  if (!status.ok()) return status;
  if (missing.empty() && unreadable.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(missing.size(), " files are missing and ", unreadable.size(),
                                          " samples cannot be read; they are listed in ", *folder));
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram<experiments::InspectOptions>(argc, argv, "inspect_dataset",
                                                              "shows what is in a dataset.\n\n"
                                                              "  inspect_dataset --dataset=voc2012_aug "
                                                              "--data_root=/data/VOCdevkit --split=train",
                                                              experiments::InspectData);
}
