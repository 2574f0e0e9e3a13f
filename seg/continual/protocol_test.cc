#include "seg/continual/protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

ContinualProtocol Find(const std::string& name, int train_ids) {
  absl::StatusOr<ContinualProtocol> protocol = FindProtocol(name, train_ids);
  EXPECT_TRUE(protocol.ok()) << protocol.status();
  return protocol.ok() ? *std::move(protocol) : ContinualProtocol{};
}

std::vector<int> Range(int first, int last) {
  std::vector<int> range(last - first + 1);
  std::iota(range.begin(), range.end(), first);
  return range;
}

TEST(ContinualProtocol, PascalVoc) {
  EXPECT_EQ(Find("19-1", 21).tasks, (std::vector<std::vector<int>>{Range(0, 19), {20}}));
  EXPECT_EQ(Find("15-5", 21).tasks, (std::vector<std::vector<int>>{Range(0, 15), Range(16, 20)}));
  EXPECT_EQ(Find("15-1", 21).tasks, (std::vector<std::vector<int>>{Range(0, 15), {16}, {17}, {18}, {19}, {20}}));
  const ContinualProtocol ten = Find("10-1", 21);
  EXPECT_EQ(ten.steps(), 11);
  EXPECT_EQ(ten.tasks[0], Range(0, 10));
  for (int step = 1; step < 11; ++step) EXPECT_EQ(ten.tasks[step], std::vector<int>{10 + step});
}

TEST(ContinualProtocol, Ade20k) {
  EXPECT_EQ(Find("100-50", 151).tasks, (std::vector<std::vector<int>>{Range(0, 100), Range(101, 150)}));
  EXPECT_EQ(Find("50", 151).tasks, (std::vector<std::vector<int>>{Range(0, 50), Range(51, 100), Range(101, 150)}));
  const ContinualProtocol tens = Find("100-10", 151), fives = Find("100-5", 151);
  EXPECT_EQ(tens.ClassCounts(), (std::vector<int>{101, 10, 10, 10, 10, 10}));
  EXPECT_EQ(tens.tasks[5], Range(141, 150));
  EXPECT_EQ(fives.steps(), 11);
  EXPECT_EQ(fives.tasks[10], Range(146, 150));
}

TEST(ContinualProtocol, Scenes) {
  EXPECT_EQ(Find("13-5", 19).tasks, (std::vector<std::vector<int>>{Range(0, 13), Range(14, 18)}));
  EXPECT_EQ(Find("13-1", 19).ClassCounts(), (std::vector<int>{14, 1, 1, 1, 1, 1}));
  EXPECT_EQ(Find("9-1", 19).ClassCounts(), (std::vector<int>{10, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

// Each class is taught once, the background first; in natural order labels are classes.
TEST(ContinualProtocol, EveryClassHasOneStep) {
  for (const int train_ids : {11, 19, 21, 150, 151}) {
    for (const char* name :
         {"19-1", "15-5", "15-1", "10-1", "100-50", "100-10", "100-5", "50", "13-5", "13-1", "9-1", "6-5"}) {
      const absl::StatusOr<ContinualProtocol> protocol = FindProtocol(name, train_ids);
      if (!protocol.ok()) continue;
      std::vector<int> order = protocol->Order();
      EXPECT_EQ(order[0], 0);
      if (protocol->name != "6-5") {
        EXPECT_EQ(order, Range(0, protocol->classes - 1)) << name;
      }
      std::sort(order.begin(), order.end());
      EXPECT_EQ(order, Range(0, protocol->classes - 1)) << name;
      EXPECT_EQ(protocol->Seen(protocol->steps() - 1), protocol->classes);
      EXPECT_EQ(protocol->TrainIds(), train_ids);
    }
  }
  EXPECT_EQ(Find("15-1", 21).Seen(0), 16);
  EXPECT_EQ(Find("15-1", 21).Seen(2), 18);
}

// What the table makes of the asked values.
std::vector<int> Values(const std::array<uint8_t, 256>& table, const std::vector<int>& of) {
  std::vector<int> values;
  for (const int i : of) values.push_back(table[i]);
  return values;
}

TEST(ContinualProtocol, LabelsShown) {
  const ContinualProtocol voc = Find("15-1", 21);
  const std::vector<int> some = {0, 1, 15, 16, 17, 20, 21, 254, 255};
  EXPECT_EQ(Values(voc.TrainingLabels(0), some), (std::vector<int>{0, 1, 15, 0, 0, 0, 255, 255, 255}));
  EXPECT_EQ(Values(voc.TrainingLabels(2), some), (std::vector<int>{0, 0, 0, 0, 17, 0, 255, 255, 255}));
  EXPECT_EQ(Values(voc.TrainingLabels(2, VoidPixels::kBackground), some),
            (std::vector<int>{0, 0, 0, 0, 17, 0, 255, 255, 0}));
  EXPECT_EQ(Values(voc.TestLabels(2), some), (std::vector<int>{0, 1, 15, 16, 17, 0, 255, 255, 255}));
}

// CamVid has no background: train id t is class t + 1, void stays void. The labels are in order of appearance.
TEST(ContinualProtocol, CamVidGetsABackground) {
  const ContinualProtocol camvid = Find("6-5", 11);
  EXPECT_TRUE(camvid.background_added);
  EXPECT_EQ(camvid.classes, 12);
  EXPECT_EQ(camvid.ClassCounts(), (std::vector<int>{7, 5}));
  // Sky, Building, Pole, Road, Pavement, Tree, SignSymbol, Fence, Car, Pedestrian, Bicyclist, and void.
  const std::vector<int> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
  EXPECT_EQ(Values(camvid.TrainingLabels(0), all), (std::vector<int>{1, 2, 0, 3, 4, 5, 0, 6, 0, 0, 0, 255, 255}));
  EXPECT_EQ(Values(camvid.TrainingLabels(1), all), (std::vector<int>{0, 0, 7, 0, 0, 0, 8, 0, 9, 10, 11, 255, 255}));
  EXPECT_EQ(Values(camvid.TestLabels(0), all), Values(camvid.TrainingLabels(0), all));
  EXPECT_EQ(Values(camvid.TestLabels(1), all), (std::vector<int>{1, 2, 7, 3, 4, 5, 8, 6, 9, 10, 11, 255, 255}));
  std::vector<bool> present(11);
  present[0] = true;  // the sky is a class like others
  EXPECT_TRUE(camvid.InStep(present, 0, ContinualSetting::kDisjoint));
  EXPECT_FALSE(camvid.InStep(present, 1, ContinualSetting::kOverlapped));
}

// What the label files call 0, "other", is void in the dataset and the background of the protocol.
TEST(ContinualProtocol, Ade20kVoidIsTheBackground) {
  const ContinualProtocol own = Find("100-10", 150), given = Find("100-10", 151);
  EXPECT_EQ(own.tasks, given.tasks);
  for (int step = 0; step < own.steps(); ++step) {
    const auto ours = own.TrainingLabels(step), theirs = given.TrainingLabels(step);
    const auto our_tests = own.TestLabels(step), their_tests = given.TestLabels(step);
    EXPECT_EQ(ours[255], 0);
    EXPECT_EQ(our_tests[255], 0);
    for (int id = 0; id < 150; ++id) {
      EXPECT_EQ(ours[id], theirs[id + 1]);
      EXPECT_EQ(our_tests[id], their_tests[id + 1]);
    }
  }
}

TEST(ContinualProtocol, ImagesOfAStep) {
  const ContinualProtocol voc = Find("15-5", 21);
  const auto shows = [](std::initializer_list<int> classes) {
    std::vector<bool> present(21);
    for (const int k : classes) present[k] = true;
    return present;
  };
  using enum ContinualSetting;
  EXPECT_FALSE(voc.InStep(shows({0}), 0, kOverlapped));
  EXPECT_FALSE(voc.InTest(shows({0}), 1));
  EXPECT_TRUE(voc.InStep(shows({0, 3, 17}), 0, kOverlapped));
  EXPECT_FALSE(voc.InStep(shows({0, 3, 17}), 0, kDisjoint));
  EXPECT_TRUE(voc.InStep(shows({0, 3, 17}), 1, kDisjoint));
  EXPECT_FALSE(voc.InStep(shows({0, 3}), 1, kOverlapped));
  EXPECT_TRUE(voc.InTest(shows({0, 3}), 1));
  EXPECT_FALSE(voc.InTest(shows({0, 17}), 0));
  EXPECT_TRUE(voc.InTest(shows({0, 17}), 1));
}

TEST(ContinualProtocol, Misuse) {
  EXPECT_EQ(FindProtocol("15-2", 21).status().message(),
            "no continual protocol \"15-2\" for Pascal VOC (21 classes): there are 19-1, 15-5, 15-1, 10-1");
  EXPECT_EQ(FindProtocol("15-5", 20).status().message(),
            "no continual protocols for 20 classes: there are some for 11 (CamVid), 19 (the scenes' things), 21 "
            "(Pascal VOC), 150 (ADE20K), 151 (ADE20K with a background)");
  const ContinualProtocol voc = Find("15-5", 21);
  autograd::testing::ExpectError([&] { voc.TestLabels(2); }, "step 2 of 2");
  autograd::testing::ExpectError([&] { voc.InTest(std::vector<bool>(20), 0); }, "20 train ids for 21");
}

// The lists of MiB's release (NumPy files of 64-bit integers), lines of the list of 10582 training images. Which of the
// classes 16 to 20 an image shows, and whether it shows any of 1 to 15, can be read from the overlapped lists of 15-1:
// InStep must make all the others of it.
class MibListsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SEGMENTATION_DATA");
    if (folder == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
    folder_ = std::string(folder) + "/format_samples/continual_splits/";
  }

  std::set<int64_t> Read(const std::string& task, int step) const {
    const std::string path = folder_ + task + "/train-" + std::to_string(step) + ".npy";
    std::ifstream file(path, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (bytes.size() < 10 || bytes.substr(1, 5) != "NUMPY" || bytes.find("<i8") == std::string::npos) {
      ADD_FAILURE() << path << " is not there, or no NumPy file of 64-bit integers";
      return {};
    }
    const size_t begin =
        10 + static_cast<uint8_t>(bytes[8]) + 256 * static_cast<size_t>(static_cast<uint8_t>(bytes[9]));
    std::vector<int64_t> values((bytes.size() - begin) / 8);
    std::memcpy(values.data(), bytes.data() + begin, 8 * values.size());
    return {values.begin(), values.end()};
  }

  std::string folder_;
};

TEST_F(MibListsTest, AreTheImagesOfTheSteps) {
  std::vector<std::vector<bool>> present(10582, std::vector<bool>(21));
  for (auto& image : present) image[0] = true;
  for (int step = 0; step < 6; ++step) {
    // Of the first fifteen classes one stands for all.
    for (const int64_t image : Read("voc/15-5s-ov", step)) present.at(image)[step == 0 ? 1 : 15 + step] = true;
  }
  using enum ContinualSetting;
  const struct {
    const char *list, *protocol;
    ContinualSetting setting;
    std::vector<size_t> images;
  } rows[] = {{"voc/15-5s-ov", "15-1", kOverlapped, {9568, 487, 299, 491, 500, 548}},
              {"voc/15-5s", "15-1", kDisjoint, {8437, 378, 299, 420, 500, 548}},
              {"voc/15-5-ov", "15-5", kOverlapped, {9568, 2145}},
              {"voc/15-5", "15-5", kDisjoint, {8437, 2145}}};
  for (const auto& row : rows) {
    const ContinualProtocol protocol = Find(row.protocol, 21);
    for (int step = 0; step < protocol.steps(); ++step) {
      std::set<int64_t> images;
      for (size_t i = 0; i < present.size(); ++i) {
        if (protocol.InStep(present[i], step, row.setting)) images.insert(static_cast<int64_t>(i));
      }
      EXPECT_EQ(images.size(), row.images[step]) << row.list << " " << step;
      EXPECT_TRUE(images == Read(row.list, step)) << row.list << " " << step;
    }
  }
}

}  // namespace
}  // namespace seg
