#include "experiments/report/tensorboard_writer.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "experiments/report/crc32c.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

// A protocol buffer taken apart by the wire format's rules alone: field number to its raw values in order.
using Fields = std::map<int, std::vector<std::string>>;

uint64_t ReadVarint(const std::string& bytes, size_t* at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at((*at)++));
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
}

Fields Decode(const std::string& bytes) {
  Fields fields;
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t key = ReadVarint(bytes, &at);
    size_t length = 0;
    if ((key & 7) == 0) {
      fields[key >> 3].push_back(absl::StrCat(ReadVarint(bytes, &at)));
      continue;
    }
    if ((key & 7) == 1) length = 8;
    if ((key & 7) == 2) length = ReadVarint(bytes, &at);
    if ((key & 7) == 5) length = 4;
    EXPECT_LE(at + length, bytes.size());
    fields[key >> 3].push_back(bytes.substr(at, length));
    at += length;
  }
  return fields;
}

Fields DecodeOnly(const Fields& fields, int field) { return Decode(fields.at(field).at(0)); }

template <typename T>
T As(const std::string& bytes) {
  T value;
  EXPECT_EQ(bytes.size(), sizeof(T));
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<Fields> ReadEvents(const std::string& path) {
  const std::string file = ReadFile(path);
  std::vector<Fields> events;
  for (size_t at = 0; at < file.size();) {
    const auto length = As<uint64_t>(file.substr(at, 8));
    EXPECT_EQ(As<uint32_t>(file.substr(at + 8, 4)), MaskedCrc32c(file.substr(at, 8)));
    const std::string payload = file.substr(at + 12, length);
    EXPECT_EQ(As<uint32_t>(file.substr(at + 12 + length, 4)), MaskedCrc32c(payload));
    events.push_back(Decode(payload));
    at += 16 + length;
  }
  return events;
}

std::string FreshDirectory(const std::string& name) {
  const std::string path = testing::TempDir() + "/tensorboard_" + name;
  std::filesystem::remove_all(path);
  return path;
}

std::unique_ptr<TensorBoardWriter> OpenOrDie(const std::string& directory, std::optional<int64_t> resumed_step) {
  auto writer = TensorBoardWriter::Open(directory, resumed_step);
  EXPECT_TRUE(writer.ok()) << writer.status();
  return *std::move(writer);
}

TEST(TensorBoardWriterTest, ScalarPictureAndText) {
  auto writer = OpenOrDie(FreshDirectory("kinds"), std::nullopt);
  // Signature, IHDR length and name, width 300, height 2: all that the writer reads of a PNG.
  const std::string png("\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\x01\x2C\0\0\0\x02", 24);
  writer->AddScalar("train/loss", 0.25, 300);
  writer->AddPicture("val/overlay", png, 301);
  writer->AddText("command", "--preset=paper", 302);
  ASSERT_TRUE(writer->Flush().ok());

  const std::vector<Fields> events = ReadEvents(writer->path());
  ASSERT_EQ(events.size(), 4);
  EXPECT_EQ(events[0].at(3).at(0), "brain.Event:2");
  EXPECT_GT(As<double>(events[1].at(1).at(0)), 1.6e9);

  EXPECT_EQ(events[1].at(2).at(0), "300");
  const Fields scalar = DecodeOnly(DecodeOnly(events[1], 5), 1);
  EXPECT_EQ(scalar.at(1).at(0), "train/loss");
  EXPECT_EQ(As<float>(scalar.at(2).at(0)), 0.25f);

  const Fields picture = DecodeOnly(DecodeOnly(events[2], 5), 1);
  EXPECT_EQ(picture.at(1).at(0), "val/overlay");
  const Fields image = DecodeOnly(picture, 4);
  EXPECT_EQ(image.at(1).at(0), "2");
  EXPECT_EQ(image.at(2).at(0), "300");
  EXPECT_EQ(image.at(4).at(0), png);

  const Fields text = DecodeOnly(DecodeOnly(events[3], 5), 1);
  EXPECT_EQ(DecodeOnly(DecodeOnly(text, 9), 1).at(1).at(0), "text");
  const Fields tensor = DecodeOnly(text, 8);
  EXPECT_EQ(tensor.at(1).at(0), "7");
  EXPECT_EQ(DecodeOnly(DecodeOnly(tensor, 2), 2).at(1).at(0), "1");
  EXPECT_EQ(tensor.at(8).at(0), "--preset=paper");
}

TEST(TensorBoardWriterTest, ResumeDropsLaterStepsAndABrokenTail) {
  const std::string directory = FreshDirectory("resume");
  std::string path;
  {
    auto writer = OpenOrDie(directory, std::nullopt);
    for (int step : {100, 200, 300}) writer->AddScalar("loss", step, step);
    ASSERT_TRUE(writer->Flush().ok());
    path = writer->path();
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);

  auto writer = OpenOrDie(directory, 100);
  EXPECT_EQ(writer->path(), path);
  writer->AddScalar("loss", 7, 150);
  ASSERT_TRUE(writer->Flush().ok());
  const std::vector<Fields> events = ReadEvents(path);
  ASSERT_EQ(events.size(), 3);
  EXPECT_EQ(events[1].at(2).at(0), "100");
  EXPECT_EQ(events[2].at(2).at(0), "150");
}

TEST(TensorBoardWriterTest, ResumeKeepsWholeRecordsBeforeABrokenTail) {
  const std::string directory = FreshDirectory("tail");
  std::string path;
  {
    auto writer = OpenOrDie(directory, std::nullopt);
    for (int step : {100, 200}) writer->AddScalar("loss", step, step);
    path = writer->path();
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  OpenOrDie(directory, 1000).reset();
  EXPECT_EQ(ReadEvents(path).size(), 2);
}

TEST(TensorBoardWriterTest, NewRunStartsItsOwnFile) {
  const std::string directory = FreshDirectory("new");
  auto first = OpenOrDie(directory, std::nullopt);
  auto second = OpenOrDie(directory, std::nullopt);
  EXPECT_NE(first->path(), second->path());
  EXPECT_EQ(ReadEvents(first->path()).size(), 1);
  EXPECT_EQ(ReadEvents(second->path()).size(), 1);
}

TEST(TensorBoardWriterTest, UnwritableDirectoryIsNamed) {
  const std::string file = FreshDirectory("file");
  std::ofstream(file) << "not a directory";
  const auto writer = TensorBoardWriter::Open(file + "/events", std::nullopt);
  ASSERT_FALSE(writer.ok());
  EXPECT_NE(writer.status().message().find(file), absl::string_view::npos) << writer.status();
}

}  // namespace
}  // namespace experiments
