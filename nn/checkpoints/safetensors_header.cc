#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "nn/checkpoints/safetensors.h"

namespace nn {
namespace {

// Receives the JSON token by token and accepts nothing but the header's grammar. No tree is built, so a hostile header
// costs no more memory than it has bytes, and duplicate names are seen (a tree would keep the last).
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  absl::Status status;

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::kArray || numbers_.size() == kLargestRank) return Unexpected("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return Fail(absl::StrCat(field_, " has ", value));
    numbers_.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::kMetadata) {
      header.metadata[field_] = value;
      return true;
    }
    if (level_ != Level::kTensor || field_ != "dtype") return Unexpected("a string");
    header.tensors.back().dtype = value;
    return true;
  }

  bool start_object(std::size_t) override {
    switch (level_) {
      case Level::kStart:
        level_ = Level::kTop;
        return true;
      case Level::kTop:
        level_ = name_ == "__metadata__" ? Level::kMetadata : Level::kTensor;
        fields_.clear();
        if (level_ == Level::kTensor) {
          header.tensors.emplace_back();
          header.tensors.back().name = name_;
        }
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool key(string_t& value) override {
    if (level_ == Level::kTop) {
      if (!names_.insert(value).second) return Fail(absl::StrCat("'", value, "' occurs twice"));
      name_ = value;
      field_.clear();
      return true;
    }
    if (!fields_.insert(value).second) return Fail(absl::StrCat("'", value, "' occurs twice"));
    field_ = value;
    if (level_ == Level::kTensor && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
      return Fail(absl::StrCat("unknown field '", field_, "'"));
    }
    return true;
  }

  bool end_object() override {
    if (level_ == Level::kTensor && fields_.size() != 3) return Fail("dtype, shape or data_offsets is missing");
    level_ = level_ == Level::kTop ? Level::kStart : Level::kTop;
    field_.clear();
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::kTensor || field_ == "dtype") return Unexpected("an array");
    level_ = Level::kArray;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    level_ = Level::kTensor;
    TensorInfo& tensor = header.tensors.back();
    if (field_ == "shape") {
      tensor.shape = numbers_;
      return true;
    }
    if (numbers_.size() != 2 || numbers_[0] > numbers_[1]) return Fail("data_offsets is not [begin, end]");
    tensor.begin = static_cast<uint64_t>(numbers_[0]);
    tensor.end = static_cast<uint64_t>(numbers_[1]);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("bad JSON at byte ", position, " of the header"));
  }

 private:
  static constexpr size_t kLargestRank = 32;
  enum class Level { kStart, kTop, kMetadata, kTensor, kArray };

  bool Unexpected(absl::string_view what) {
    return Fail(absl::StrCat("unexpected ", what, field_.empty() ? "" : absl::StrCat(" in '", field_, "'")));
  }
  bool Fail(absl::string_view message) {
    status =
        absl::DataLossError(name_.empty() ? std::string(message) : absl::StrCat("tensor '", name_, "': ", message));
    return false;
  }

  Level level_ = Level::kStart;
  std::string name_, field_;
  std::set<std::string> names_, fields_;
  std::vector<int64_t> numbers_;
};

absl::Status CheckSize(const TensorInfo& tensor) {
  const int64_t element = SafetensorsElementSize(tensor.dtype);
  if (element == 0)
    return absl::InvalidArgumentError(absl::StrCat("tensor '", tensor.name, "': unknown dtype '", tensor.dtype, "'"));
  int64_t size = element;
  for (int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(size, extent, &size)) {
      return absl::DataLossError(absl::StrCat("tensor '", tensor.name, "': its shape overflows"));
    }
  }
  if (static_cast<uint64_t>(size) != tensor.end - tensor.begin) {
    return absl::DataLossError(absl::StrCat("tensor '", tensor.name, "': shape and dtype need ", size,
                                            " bytes but data_offsets give ", tensor.end - tensor.begin));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t SafetensorsElementSize(absl::string_view dtype) {
  static constexpr std::pair<const char*, int64_t> kSizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
      {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"F64", 8},     {"I64", 8}, {"U64", 8}};
  for (const auto& [name, size] : kSizes) {
    if (dtype == name) return size;
  }
  return 0;
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json, uint64_t data_bytes) {
  if (json.empty() || json.front() != '{') return absl::DataLossError("the header does not begin with '{'");
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) return reader.status;
  SafetensorsHeader header = std::move(reader.header);

  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t covered = 0;
  for (const TensorInfo& tensor : header.tensors) {
    if (absl::Status status = CheckSize(tensor); !status.ok()) return status;
    if (tensor.end > data_bytes) {
      return absl::DataLossError(
          absl::StrCat("tensor '", tensor.name, "' ends at byte ", tensor.end, " but the file holds ", data_bytes));
    }
    if (tensor.begin != covered) {
      return absl::DataLossError(absl::StrCat(
          "tensor '", tensor.name, "' begins at byte ", tensor.begin,
          tensor.begin < covered ? ", inside another tensor" : absl::StrCat(", after a hole from ", covered)));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    return absl::DataLossError(absl::StrCat("the tensors cover ", covered, " of ", data_bytes, " bytes"));
  }
  return header;
}

}  // namespace nn
