#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/runtime/random.h"
#include "data/random/random_sequence.h"
#include "data/scenes/classes.h"
#include "data/scenes/noise.h"
#include "data/scenes/objects.h"
#include "data/scenes/render.h"
#include "data/scenes/scene_dataset.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::RandomKey;

std::unique_ptr<Dataset> Open(const std::string& split, const SceneOptions& options = {}) {
  auto dataset = SceneDataset::Create(split, options);
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return *std::move(dataset);
}

// FNV-1a.
uint64_t Hash(const std::vector<uint8_t>& bytes, uint64_t hash = 14695981039346656037ull) {
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211ull;
  return hash;
}

uint64_t Checksum(const Dataset& dataset, int count) {
  uint64_t hash = 14695981039346656037ull;
  for (int i = 0; i < count; ++i) {
    const Sample sample = *dataset.Load(i);
    hash = Hash(sample.label.values, Hash(sample.image.pixels, hash));
  }
  return hash;
}

// The same bytes from every compiler, instruction set and optimisation level. If this fails after a
// deliberate change of the scenes, put the printed values here; published figures on scenes then need their
// commands to be run again.
TEST(SceneDataset, GoldenChecksums) {
  SceneOptions small;
  EXPECT_EQ(Checksum(*Open("train", small), 200), 434245264817912569ull);
  SceneOptions wide;
  wide.class_count = 24;
  wide.height = 48;
  wide.width = 100;
  wide.seed = 7;
  EXPECT_EQ(Checksum(*Open("val", wide), 100), 1893227623680100622ull);
}

// Each light shows the scenes of the day in other images.
TEST(SceneDataset, LightsChangeImagesAndNoLabels) {
  SceneOptions options;
  options.class_count = 24;
  const auto day = Open("val", options);
  const auto brightness = [](const Image& image) {
    int64_t sum = 0;
    for (const uint8_t value : image.pixels) sum += value;
    return static_cast<double>(sum) / static_cast<double>(image.pixels.size());
  };
  // Between neighbours.
  const auto contrast = [](const Image& image) {
    int64_t sum = 0;
    for (int y = 0; y < image.height; ++y) {
      for (int i = 3; i < 3 * image.width; ++i) sum += std::abs(image.Row(y)[i] - image.Row(y)[i - 3]);
    }
    return static_cast<double>(sum);
  };
  constexpr int kImages = 60;
  double night_brightness = 0, day_brightness = 0, haze_contrast = 0, day_contrast = 0;
  for (const SceneLight light : {SceneLight::kNight, SceneLight::kHaze, SceneLight::kOther}) {
    options.light = light;
    const auto other = Open("val", options), again = Open("val", options);
    EXPECT_EQ(other->info().class_names, day->info().class_names);
    for (int i = 0; i < kImages; ++i) {
      const Sample by_day = *day->Load(i), sample = *other->Load(i);
      ASSERT_EQ(sample.label, by_day.label);
      ASSERT_EQ(sample.image, again->Load(i)->image);
      // Another picture, not just a few other pixels.
      int64_t differing = 0;
      for (size_t p = 0; p < sample.image.pixels.size(); ++p) {
        differing += std::abs(sample.image.pixels[p] - by_day.image.pixels[p]) > 4;
      }
      EXPECT_GT(differing, static_cast<int64_t>(sample.image.pixels.size() / 4)) << static_cast<int>(light) << " " << i;
      if (light == SceneLight::kNight) {
        night_brightness += brightness(sample.image);
        day_brightness += brightness(by_day.image);
      } else if (light == SceneLight::kHaze) {
        haze_contrast += contrast(sample.image);
        day_contrast += contrast(by_day.image);
      }
    }
  }
  EXPECT_LT(night_brightness, 0.6 * day_brightness);
  EXPECT_LT(haze_contrast, 0.9 * day_contrast);
}

// As GoldenChecksums: the same bytes everywhere.
TEST(SceneDataset, GoldenChecksumsOfTheLights) {
  SceneOptions options;
  options.class_count = 24;
  options.width = 80;
  const std::pair<SceneLight, uint64_t> expected[] = {{SceneLight::kNight, 1214963241306627848ull},
                                                      {SceneLight::kHaze, 17226231635058350267ull},
                                                      {SceneLight::kOther, 12992187324299656690ull}};
  for (const auto& [light, checksum] : expected) {
    options.light = light;
    EXPECT_EQ(Checksum(*Open("train", options), 60), checksum) << static_cast<int>(light);
  }
}

// A flat layer at a distance fades into the colour of the air as exp(-fog distance).
TEST(Scenes, FogFollowsKoschmieder) {
  scenes::Scene scene;
  scenes::Part all;
  all.shape.kind = scenes::Shape::Kind::kHalfPlane;
  all.shape.y = -10;
  all.texture.first = all.texture.second = {0.1f, 0.1f, 0.1f};
  scene.layers.resize(1);
  scene.layers[0].parts.push_back(all);
  scene.haze = {0.8f, 0.8f, 0.8f};
  scene.fog = 0.3f;
  for (const float distance : {1.0f, 2.0f, 5.0f}) {
    scene.layers[0].distance = distance;
    const Image image = scenes::RenderScene(scene, 8, 8, RandomKey(0)).image;
    EXPECT_NEAR(image.pixels[0] / 255.0, 0.8 - 0.7 * std::exp(-0.3 * distance), 0.05) << distance;
  }
}

TEST(SceneDataset, ThingsBeforeABackground) {
  SceneOptions options;
  options.class_count = 24;
  const auto all = Open("train", options);
  options.things = true;
  const auto things = Open("train", options);
  const DatasetInfo& info = things->info();
  ASSERT_EQ(info.num_classes(), 20);
  EXPECT_EQ(info.class_names[0], "background");
  EXPECT_EQ(info.class_names[1], "tree");
  EXPECT_EQ(info.class_names[19], "windmill");
  EXPECT_EQ(info.palette.size(), 20u);
  EXPECT_EQ(info.palette[1], scenes::kClasses[scenes::kTree].color);
  for (int k = 0; k < 20; ++k) EXPECT_EQ(info.stored_values[k], k);
  const std::set<std::string> without_shape = {"sky", "ground", "water", "mountain", "road"};
  for (int i = 0; i < 40; ++i) {
    const Sample sample = *things->Load(i), with_all = *all->Load(i);
    EXPECT_EQ(sample.image, with_all.image);
    for (size_t p = 0; p < sample.label.values.size(); ++p) {
      const std::string& name = all->info().class_names[with_all.label.values[p]];
      ASSERT_EQ(info.class_names[sample.label.values[p]], without_shape.contains(name) ? "background" : name);
    }
  }
  options.class_count = 6;
  EXPECT_EQ(Open("train", options)->info().class_names,
            (std::vector<std::string>{"background", "tree", "house", "car"}));
  options.class_count = 2;
  const absl::Status none = SceneDataset::Create("train", options).status();
  EXPECT_NE(none.message().find("no thing"), std::string::npos) << none;
}

TEST(SceneDataset, LabelsAreClassesAndEveryClassOccurs) {
  for (const int class_count : {2, 6, 24}) {
    SceneOptions options;
    options.class_count = class_count;
    const auto dataset = Open("train", options);
    EXPECT_EQ(dataset->info().num_classes(), class_count);
    std::vector<int> images(class_count);  // that show the class
    constexpr int kImages = 250;
    for (int i = 0; i < kImages; ++i) {
      const Sample sample = *dataset->Load(i);
      ASSERT_EQ(sample.image.height, 64);
      ASSERT_EQ(sample.label.width, 64);
      std::set<uint8_t> present(sample.label.values.begin(), sample.label.values.end());
      ASSERT_LT(*present.rbegin(), class_count);
      for (const uint8_t value : present) ++images[value];
    }
    for (int k = 0; k < class_count; ++k) {
      EXPECT_GE(images[k], 4) << dataset->info().class_names[k] << " of " << class_count;
    }
    EXPECT_LT(images[scenes::kSky], kImages);  // some scenes look down
  }
}

TEST(SceneDataset, SamplesDifferAndRepeat) {
  const auto train = Open("train"), again = Open("train"), val = Open("val");
  SceneOptions other_seed;
  other_seed.seed = 1;
  const auto other = Open("train", other_seed);
  std::set<uint64_t> images;
  for (int i = 0; i < 50; ++i) {
    const Sample sample = *train->Load(i);
    EXPECT_EQ(sample.image, again->Load(i)->image);
    EXPECT_EQ(sample.label, again->Load(i)->label);
    EXPECT_EQ(sample.index, i);
    images.insert(Hash(sample.image.pixels));
    images.insert(Hash(val->Load(i)->image.pixels));
    images.insert(Hash(other->Load(i)->image.pixels));
  }
  EXPECT_EQ(images.size(), 150u);
}

TEST(SceneDataset, UnlimitedAndLimited) {
  const auto train = Open("train");
  EXPECT_EQ(train->size(), SceneOptions::kUnlimited);
  EXPECT_TRUE(train->Load(-5).ok());
  EXPECT_TRUE(train->Load(int64_t{1} << 60).ok());
  SceneOptions options;
  options.training_size = 10;
  const auto limited = Open("train", options);
  EXPECT_EQ(limited->size(), 10);
  EXPECT_EQ(limited->Load(9)->image, train->Load(9)->image);
  EXPECT_EQ(limited->Load(10).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(limited->Load(-1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Open("val")->size(), 256);
}

// The same scene at another size: labels agree but for the pixels along borders.
TEST(SceneDataset, SizesShowTheSameScene) {
  SceneOptions large;
  large.height = large.width = 192;
  const auto small_set = Open("train"), large_set = Open("train", large);
  int64_t differing = 0;
  for (int i = 0; i < 12; ++i) {
    const LabelMap small_label = small_set->Load(i)->label, large_label = large_set->Load(i)->label;
    for (int y = 0; y < 64; ++y) {
      for (int x = 0; x < 64; ++x) differing += small_label.Row(y)[x] != large_label.Row(3 * y + 1)[3 * x + 1];
    }
  }
  // The centres coincide exactly; only float rounding at a border may differ.
  EXPECT_LT(differing, 12 * 64 * 64 / 1000);
}

// Colour alone must not tell the class: the best guess from the 512 cells of a colour histogram stays far
// from perfect, but is better than always guessing the most frequent class.
TEST(SceneDataset, ColourAloneDoesNotGiveTheClass) {
  const auto dataset = Open("train");
  std::vector<std::vector<int64_t>> counts(512, std::vector<int64_t>(6));
  std::vector<int64_t> totals(6);
  int64_t pixels = 0;
  for (int i = 0; i < 150; ++i) {
    const Sample sample = *dataset->Load(i);
    for (size_t p = 0; p < sample.label.values.size(); ++p) {
      const uint8_t* rgb = sample.image.pixels.data() + 3 * p;
      ++counts[(rgb[0] >> 5) << 6 | (rgb[1] >> 5) << 3 | rgb[2] >> 5][sample.label.values[p]];
      ++totals[sample.label.values[p]];
      ++pixels;
    }
  }
  int64_t right = 0;
  for (const std::vector<int64_t>& cell : counts) right += *std::max_element(cell.begin(), cell.end());
  const double accuracy = static_cast<double>(right) / pixels;
  EXPECT_LT(accuracy, 0.62);
  EXPECT_GT(accuracy, static_cast<double>(*std::max_element(totals.begin(), totals.end())) / pixels + 0.02);
}

TEST(SceneDataset, WrongOptionsAreNamed) {
  const auto message = [](const std::string& split, const SceneOptions& options) {
    const absl::Status status = SceneDataset::Create(split, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  SceneOptions options;
  EXPECT_NE(message("test", options).find("'test'"), std::string::npos);
  options.class_count = 25;
  EXPECT_NE(message("train", options).find("class_count is 25"), std::string::npos);
  options.class_count = 1;
  EXPECT_NE(message("train", options).find("class_count is 1"), std::string::npos);
  options = {};
  options.height = 4;
  EXPECT_NE(message("train", options).find("64 x 4"), std::string::npos);
  options = {};
  options.validation_size = 0;
  EXPECT_NE(message("val", options).find("validation_size"), std::string::npos);
}

TEST(Scenes, NamesAndColoursAreDistinct) {
  std::set<std::string> names;
  std::set<std::vector<int>> colors;
  for (const scenes::ClassDescription& description : scenes::kClasses) {
    names.insert(description.name);
    colors.insert({description.color.red, description.color.green, description.color.blue});
  }
  EXPECT_EQ(names.size(), 24u);
  EXPECT_EQ(colors.size(), 24u);
}

TEST(Scenes, SineOfTurns) {
  for (int i = -400; i <= 400; ++i) {
    const float turns = 0.01f * static_cast<float>(i) + 0.003f;
    EXPECT_NEAR(scenes::SineOfTurns(turns), std::sin(6.283185307 * turns), 1.2e-3) << turns;
    EXPECT_NEAR(scenes::CosineOfTurns(turns), std::cos(6.283185307 * turns), 1.2e-3) << turns;
  }
}

TEST(Scenes, NoiseIsSmoothPeriodicAndMeetsTheLattice) {
  const float* lattice = scenes::NoiseLattice().data();
  for (int i = 0; i < 50; ++i) {
    const float x = 0.37f * static_cast<float>(i), y = 0.91f * static_cast<float>(i);
    const float value = scenes::Noise(lattice, x, y);
    EXPECT_GE(value, 0.0f);
    EXPECT_LT(value, 1.0f);
    EXPECT_NEAR(value, scenes::Noise(lattice, x + 0.001f, y), 0.004f);
    EXPECT_NEAR(value, scenes::Noise(lattice, x - scenes::kLattice, y + scenes::kLattice), 1e-3f);
  }
  EXPECT_EQ(scenes::Noise(lattice, 3, 5), lattice[5 * scenes::kLattice + 3]);
}

// A layer with one shape on a plain ground, for checks of geometry.
LabelMap Draw(const scenes::Shape& shape, int size) {
  scenes::Scene scene;
  scene.layers.resize(2);
  scenes::Part all;
  all.shape.kind = scenes::Shape::Kind::kHalfPlane;
  all.shape.y = -10;
  scene.layers[0].parts.push_back(all);
  scene.layers[1].label = 1;
  scenes::Part part;
  part.shape = shape;
  scene.layers[1].parts.push_back(part);
  return scenes::RenderScene(scene, size, size, RandomKey(0)).label;
}

// Areas of the shapes against their formulas; each is turned, so the bounds and both axes are involved.
TEST(Scenes, AreasOfShapes) {
  using Kind = scenes::Shape::Kind;
  for (const float turns : {0.0f, 0.07f, 0.25f, 0.61f}) {
    scenes::Shape shape;
    shape.x = 0.52f;
    shape.y = 0.47f;
    shape.half_width = 0.3f;
    shape.half_height = 0.12f;
    shape.cosine = scenes::CosineOfTurns(turns);
    shape.sine = scenes::SineOfTurns(turns);
    const auto area = [&](Kind kind, float parameter) {
      shape.kind = kind;
      shape.parameter = parameter;
      const LabelMap label = Draw(shape, 200);
      return std::count(label.values.begin(), label.values.end(), 1) / 40000.0;
    };
    EXPECT_NEAR(area(Kind::kEllipse, 0), 3.14159 * 0.3 * 0.12, 0.002) << turns;
    EXPECT_NEAR(area(Kind::kBox, 0), 4 * 0.3 * 0.12, 0.002) << turns;
    EXPECT_NEAR(area(Kind::kBox, 0.1f), 4 * 0.3 * 0.12 - (4 - 3.14159) * 0.01, 0.002) << turns;
    EXPECT_NEAR(area(Kind::kTrapezoid, 0), 2 * 0.3 * 0.12, 0.002) << turns;
    EXPECT_NEAR(area(Kind::kTrapezoid, 0.4f), (0.3 + 0.4) * 2 * 0.12, 0.002) << turns;
  }
}

TEST(Scenes, EveryThingIsDrawnNearItsPlace) {
  for (int label = 0; label < scenes::kClassCount; ++label) {
    if (!scenes::IsThing(label)) continue;
    for (int i = 0; i < 30; ++i) {
      RandomSequence random(RandomKey(label).Split(static_cast<uint64_t>(i)));
      std::vector<scenes::Part> parts = scenes::BuildThing(label, random);
      ASSERT_FALSE(parts.empty());
      for (const scenes::Part& part : parts) {
        EXPECT_GT(part.shape.half_width, 0);
        EXPECT_GT(part.shape.half_height, 0);
        EXPECT_LT(std::fabs(part.shape.x), 1.6f) << scenes::kClasses[label].name;
        EXPECT_GT(part.shape.y, -1.4f) << scenes::kClasses[label].name;
        EXPECT_LE(part.shape.y, 0.0f) << scenes::kClasses[label].name;
        EXPECT_NEAR(part.shape.cosine * part.shape.cosine + part.shape.sine * part.shape.sine, 1.0f, 0.01f);
      }
      scenes::Place({0.5f, 0.8f, 0.5f, 0, true}, parts);
      for (const scenes::Part& part : parts) EXPECT_LE(part.shape.y, 0.8f);
    }
  }
}

}  // namespace
}  // namespace data
