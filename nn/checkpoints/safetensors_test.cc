#include "nn/checkpoints/safetensors.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"

namespace nn {
namespace {

std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

std::string FileBytes(const std::string& json, const std::string& data) {
  const uint64_t size = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + json + data;
}

absl::StatusOr<SafetensorsFile> OpenBytes(const std::string& bytes) {
  const std::string path = Path("bytes.safetensors");
  std::ofstream(path, std::ios::binary) << bytes;  // many of these: no fsync
  return SafetensorsFile::Open(path);
}

// Written by hand from the format's description.
const char kJson[] =
    R"({"__metadata__":{"made":"by hand"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},)"
    R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"scalar":{"dtype":"I64","shape":[],"data_offsets":[12,20]},)"
    R"("empty":{"dtype":"F64","shape":[0,3],"data_offsets":[12,12]}}   )";
const std::string kData("\1\2\3\4\0\0\x80\x3F\0\0\0\x40\7\0\0\0\0\0\0\0", 20);

TEST(Safetensors, ReadsAFileWrittenByHand) {
  const absl::StatusOr<SafetensorsFile> file = OpenBytes(FileBytes(kJson, kData));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("made"), "by hand");
  ASSERT_EQ(file->tensors().size(), 4u);
  const TensorInfo* b = file->Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, "F32");
  EXPECT_EQ(b->shape, (std::vector<int64_t>{2, 1}));
  const absl::StatusOr<std::string> bytes = file->Read(*b);
  ASSERT_TRUE(bytes.ok());
  float values[2];
  ASSERT_EQ(bytes->size(), sizeof(values));
  std::memcpy(values, bytes->data(), sizeof(values));
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], 2);
  EXPECT_EQ(file->Read(*file->Find("scalar"))->size(), 8u);
  EXPECT_EQ(file->Read(*file->Find("empty"))->size(), 0u);
  EXPECT_EQ(file->Find("c"), nullptr);
}

struct DamagedCase {
  std::string json;
  std::string message;  // part of the error
};

TEST(Safetensors, RefusesDamagedHeadersByName) {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const DamagedCase cases[] = {
      {"", "begin with '{'"},
      {" {}", "begin with '{'"},
      {"{", "bad JSON"},
      {"{" + a + "}x", "bad JSON"},
      {"{" + a + "," + a + "}", "'a' occurs twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "'dtype' occurs twice"},
      {R"({"a":{"shape":[4],"data_offsets":[0,4]}})", "is missing"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}})", "unknown field 'more'"},
      {R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "a negative number in 'shape'"},
      {R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", "a fraction in 'shape'"},
      {R"({"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}})", "a string in 'shape'"},
      {R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", "an array in 'shape'"},
      {R"({"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}})", "a number in 'shape'"},
      {R"({"a":{"dtype":1,"shape":[4],"data_offsets":[0,4]}})", "a number in 'dtype'"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", "data_offsets is not"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "data_offsets is not"},
      {R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})",
       "tensor 'a': shape and dtype need 5 bytes but data_offsets give 4"},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}})", "need 16 bytes"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "overflows"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4]}})", "shape has 18446744073709551615"},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", "tensor 'a' ends at byte 8 but the file holds 4"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "cover 3 of 4 bytes"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})", "after a hole from 0"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
       "tensor 'b' begins at byte 2, inside another tensor"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
       "tensor 'b' begins at byte 2, after a hole from 1"},
      {R"({"a":null})", "null"},
      {R"({"a":[]})", "an array"},
      {R"({"__metadata__":{"x":1},)" + a + "}", "a number in 'x'"},
      {R"({"__metadata__":{"x":{}},)" + a + "}", "an object in 'x'"},
      {R"({"__metadata__":{"x":"1","x":"2"},)" + a + "}", "'x' occurs twice"},
      {"{\"\xFF\":{}}", "bad JSON"},
  };
  for (const DamagedCase& damaged : cases) {
    const absl::StatusOr<SafetensorsFile> file = OpenBytes(FileBytes(damaged.json, "1234"));
    ASSERT_FALSE(file.ok()) << damaged.json;
    EXPECT_TRUE(absl::StrContains(file.status().message(), damaged.message)) << damaged.json << "\n" << file.status();
    EXPECT_TRUE(absl::StrContains(file.status().message(), "bytes.safetensors")) << file.status();
  }
}

// The file is whole, but of a type that this reader does not know.
TEST(Safetensors, AnUnknownTypeIsAnArgument) {
  const absl::Status status =
      OpenBytes(FileBytes(R"({"a":{"dtype":"Q4","shape":[4],"data_offsets":[0,4]}})", "1234")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"bytes.safetensors", "tensor 'a'", "dtype 'Q4'"})
    EXPECT_TRUE(absl::StrContains(status.message(), part)) << status;
}

TEST(Safetensors, RefusesHeaderLengthsThatCannotBe) {
  std::string bytes = FileBytes(kJson, kData);
  for (const uint64_t length :
       {uint64_t{bytes.size()}, uint64_t{bytes.size()} - 7, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{7}}) {
    std::memcpy(bytes.data(), &length, 8);
    const absl::StatusOr<SafetensorsFile> file = OpenBytes(bytes);
    ASSERT_FALSE(file.ok()) << length;
    EXPECT_TRUE(absl::StrContains(file.status().message(), "its header claims")) << file.status();
  }
  EXPECT_FALSE(OpenBytes("").ok());
  EXPECT_FALSE(OpenBytes("1234567").ok());
  EXPECT_EQ(SafetensorsFile::Open(Path("nothing.safetensors")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(SafetensorsFile::Open(::testing::TempDir()).ok());
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string whole = FileBytes(kJson, kData);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(OpenBytes(whole.substr(0, size)).ok()) << size;
}

// One to three bytes changed, replaced by a character of JSON, or cut out.
std::string Mutate(std::string bytes, autograd::RandomKey key) {
  const int changes = 1 + static_cast<int>(autograd::Philox(key, 0).x % 3);
  for (int change = 1; change <= changes; ++change) {
    const autograd::PhiloxWords draw = autograd::Philox(key, static_cast<uint64_t>(change));
    const size_t position = autograd::UniformBelow(draw.x, static_cast<uint32_t>(bytes.size()));
    switch (draw.y % 3) {
      case 0:
        bytes[position] = static_cast<char>(draw.z);
        break;
      case 1:
        bytes[position] = "[]{}\",:0123456789-eE "[draw.z % 21];
        break;
      default:
        bytes.erase(position, 1 + draw.z % 5);
    }
  }
  return bytes;
}

TEST(Safetensors, MutatedHeadersNeverCrash) {
  const autograd::RandomKey key = autograd::RandomKey(5).Split("headers");
  int refused = 0;
  for (uint64_t trial = 0; trial < 20000; ++trial) {
    refused += !ParseSafetensorsHeader(Mutate(kJson, key.Split(trial)), kData.size()).ok();
  }
  EXPECT_GT(refused, 15000);
  EXPECT_LT(refused, 20000);  // some changes are harmless: a name, a space
}

TEST(Safetensors, MutatedFilesNeverCrash) {
  const autograd::RandomKey key = autograd::RandomKey(5).Split("files");
  const std::string whole = FileBytes(kJson, kData);
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const absl::StatusOr<SafetensorsFile> file = OpenBytes(Mutate(whole, key.Split(trial)));
    if (!file.ok()) continue;
    for (const TensorInfo& tensor : file->tensors()) EXPECT_TRUE(file->Read(tensor).ok());
  }
}

TEST(Safetensors, DeepNestingIsRefusedWithoutRecursion) {
  EXPECT_FALSE(ParseSafetensorsHeader("{\"a\":" + std::string(1 << 20, '['), 0).ok());
  std::string deep = "{";
  for (int i = 0; i < 100000; ++i) deep += "\"a\":{";
  EXPECT_FALSE(ParseSafetensorsHeader(deep, 0).ok());
}

TEST(Safetensors, WritesWhatItReads) {
  const std::string path = Path("written.safetensors");
  const std::string three("\1\0\2\0\3\0", 6), two(16, 'x');
  const absl::Status status = WriteSafetensors(path,
                                               {{"half \"quoted\" π", "F16", {3}, [&] { return three; }},
                                                {"wide", "F64", {2, 1}, [&] { return two; }},
                                                {"none", "I32", {0}, [] { return std::string(); }}},
                                               {{"step", "12"}});
  ASSERT_TRUE(status.ok()) << status;
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("step"), "12");
  EXPECT_EQ(*file->Read(*file->Find("half \"quoted\" π")), three);
  EXPECT_EQ(*file->Read(*file->Find("wide")), two);
  // The widest elements come first, behind a header padded to eight bytes.
  EXPECT_EQ(file->Find("wide")->begin, 0u);
  const absl::StatusOr<std::string> bytes = autograd::ReadFile(path);
  uint64_t header_size;
  std::memcpy(&header_size, bytes->data(), 8);
  EXPECT_EQ(header_size % 8, 0u);
}

TEST(Safetensors, WriterRefusesMisuse) {
  const auto one = [] { return std::string(4, '\0'); };
  EXPECT_THROW((void)WriteSafetensors(Path("x"), {{"a", "F32", {1}, one}, {"a", "F32", {1}, one}}), autograd::Error);
  EXPECT_THROW((void)WriteSafetensors(Path("x"), {{"a", "F99", {1}, one}}), autograd::Error);
  EXPECT_THROW((void)WriteSafetensors(Path("x"), {{"a", "F32", {2}, one}}), autograd::Error);
  EXPECT_EQ(WriteSafetensors(Path("no/such/folder"), {}).code(), absl::StatusCode::kNotFound);
}

TEST(Safetensors, FileCutWhileOpenIsAnError) {
  const std::string path = Path("cut.safetensors");
  ASSERT_TRUE(autograd::WriteFileAtomically(path, FileBytes(kJson, kData)).ok());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(8 + sizeof(kJson) - 1 + 5)), 0);
  const absl::Status status = file->Read(*file->Find("b")).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "tensor 'b'")) << status;
}

}  // namespace
}  // namespace nn
