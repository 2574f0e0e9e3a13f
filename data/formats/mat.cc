#include "data/formats/mat.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "autograd/runtime/atomic_file.h"

// The names and numbers are those of "MAT-File Format" (MathWorks), chapter 1, level 5.

namespace data {
namespace {

static_assert(std::endian::native == std::endian::little);

enum Type : uint32_t {
  kInt8 = 1,
  kUint8 = 2,
  kInt16 = 3,
  kUint16 = 4,
  kInt32 = 5,
  kUint32 = 6,
  kSingle = 7,
  kDouble = 9,
  kInt64 = 12,
  kUint64 = 13,
  kMatrix = 14,
  kCompressed = 15,
};
constexpr uint32_t kStructClass = 2, kFirstNumericClass = 6, kLastNumericClass = 15;  // double … uint64
constexpr uint32_t kComplexFlag = 0x800;

absl::Status Damaged() { return absl::DataLossError("truncated or damaged MATLAB file"); }

struct Element {
  uint32_t type = 0;
  absl::string_view body;
};

uint32_t Word(absl::string_view bytes) {
  uint32_t word;
  std::memcpy(&word, bytes.data(), sizeof word);
  return word;
}

// Takes the first element off `rest`; false if it does not fit there. Inside matrices elements are padded to eight
// bytes.
bool Next(absl::string_view& rest, bool padded, Element& element) {
  constexpr size_t kTag = 8;
  if (rest.size() < kTag) return false;
  const uint32_t first = Word(rest);
  if (const uint32_t size = first >> 16; size != 0) {  // up to four bytes inside the tag
    if (size > 4) return false;
    element = {first & 0xFFFF, rest.substr(4, size)};
    rest.remove_prefix(kTag);
    return true;
  }
  const size_t size = Word(rest.substr(4));
  rest.remove_prefix(kTag);
  if (size > rest.size()) return false;
  element = {first, rest.substr(0, size)};
  rest.remove_prefix(std::min(rest.size(), padded ? (size + 7) / 8 * 8 : size));
  return true;
}

// The whole stream with its checksum.
bool Inflate(absl::string_view packed, std::string& bytes) {
  constexpr size_t kMost = size_t{8} * kMaxPixels + (1 << 20), kStep = 1 << 20;
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int result = Z_OK;
  while (result == Z_OK && bytes.size() < kMost) {
    const size_t done = bytes.size();
    bytes.resize(done + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + done);
    stream.avail_out = kStep;
    result = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(done + kStep - stream.avail_out);
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END;
}

struct Matrix {
  uint32_t kind = 0;
  bool is_complex = false;
  std::vector<uint32_t> sizes;
  absl::string_view name;
  absl::string_view contents;  // the elements behind the name
};

// Of the body of a matrix element. A field that was never set has an empty one.
bool ReadHead(absl::string_view body, Matrix& matrix) {
  matrix = Matrix();
  if (body.empty()) return true;
  Element flags, sizes, name;
  if (!Next(body, true, flags) || !Next(body, true, sizes) || !Next(body, true, name)) return false;
  if (flags.body.size() < 8 || sizes.body.size() < 8 || sizes.body.size() % 4 != 0) return false;
  matrix.kind = Word(flags.body) & 0xFF;
  matrix.is_complex = (Word(flags.body) & kComplexFlag) != 0;
  for (size_t i = 0; i < sizes.body.size(); i += 4) matrix.sizes.push_back(Word(sizes.body.substr(i)));
  matrix.name = name.body;
  matrix.contents = body;
  return true;
}

// The matrix of a field of a struct of one element.
absl::StatusOr<Matrix> ReadField(const Matrix& parent, absl::string_view field) {
  const absl::Status absent =
      absl::NotFoundError(absl::StrCat("variable '", parent.name, "' has no field '", field, "'"));
  if (parent.kind != kStructClass || parent.sizes.size() != 2 || parent.sizes[0] != 1 || parent.sizes[1] != 1)
    return absent;
  absl::string_view rest = parent.contents;
  Element length, names;
  if (!Next(rest, true, length) || length.body.size() != 4 || !Next(rest, true, names)) return Damaged();
  const size_t width = Word(length.body);
  if (width == 0 || names.body.size() % width != 0) return Damaged();
  for (size_t i = 0; i < names.body.size(); i += width) {
    Element element;
    Matrix matrix;
    if (!Next(rest, true, element) || element.type != kMatrix || !ReadHead(element.body, matrix)) return Damaged();
    const absl::string_view name = names.body.substr(i, width);
    if (name.substr(0, name.find('\0')) == field) return matrix;
  }
  return absent;
}

// MATLAB stores columns; maps are rows.
template <typename Value>
absl::Status CopyTransposed(absl::string_view bytes, IndexMap& map) {
  if (bytes.size() != map.values.size() * sizeof(Value)) return Damaged();
  const char* from = bytes.data();
  for (int x = 0; x < map.width; ++x) {
    for (int y = 0; y < map.height; ++y, from += sizeof(Value)) {
      Value stored;
      std::memcpy(&stored, from, sizeof stored);
      const double value = static_cast<double>(stored);
      if (!(value >= 0 && value <= 65535 && value == std::floor(value))) {
        return absl::InvalidArgumentError(absl::StrCat("has a value ", value, " at row ", y, ", column ", x,
                                                       " that is not a whole number from 0 to 65535"));
      }
      map.values[static_cast<size_t>(y) * map.width + x] = static_cast<uint16_t>(value);
    }
  }
  return absl::OkStatus();
}

// Whatever its class, a matrix may be stored in a smaller type that its values fit.
absl::Status CopyValues(const Element& values, IndexMap& map) {
  switch (values.type) {
    case kInt8:
      return CopyTransposed<int8_t>(values.body, map);
    case kUint8:
      return CopyTransposed<uint8_t>(values.body, map);
    case kInt16:
      return CopyTransposed<int16_t>(values.body, map);
    case kUint16:
      return CopyTransposed<uint16_t>(values.body, map);
    case kInt32:
      return CopyTransposed<int32_t>(values.body, map);
    case kUint32:
      return CopyTransposed<uint32_t>(values.body, map);
    case kSingle:
      return CopyTransposed<float>(values.body, map);
    case kDouble:
      return CopyTransposed<double>(values.body, map);
    case kInt64:
      return CopyTransposed<int64_t>(values.body, map);
    case kUint64:
      return CopyTransposed<uint64_t>(values.body, map);
    default:
      return Damaged();
  }
}

absl::StatusOr<IndexMap> ToMap(const Matrix& matrix) {
  if (matrix.sizes.size() != 2 && matrix.kind != 0)
    return absl::InvalidArgumentError(absl::StrCat("has ", matrix.sizes.size(), " dimensions, not 2"));
  if (matrix.kind < kFirstNumericClass || matrix.kind > kLastNumericClass || matrix.is_complex)
    return absl::InvalidArgumentError("is not a matrix of real numbers");
  const int64_t height = matrix.sizes[0], width = matrix.sizes[1];
  if (height == 0 || width == 0) return absl::InvalidArgumentError("is empty");
  if (height > kMaxDimension || width > kMaxDimension || height * width > kMaxPixels)
    return absl::ResourceExhaustedError(absl::StrCat("is too large: ", width, " x ", height));
  absl::string_view rest = matrix.contents;
  Element values;
  if (!Next(rest, true, values)) return Damaged();
  IndexMap map;
  map.height = static_cast<int>(height);
  map.width = static_cast<int>(width);
  map.values.resize(height * width);
  if (absl::Status status = CopyValues(values, map); !status.ok()) return status;
  return map;
}

}  // namespace

absl::StatusOr<IndexMap> DecodeMatIndexMap(absl::string_view bytes, const std::string& variable) {
  constexpr size_t kHeader = 128;
  if (bytes.size() <= kHeader) return absl::DataLossError("too short for a MATLAB file");
  if (absl::StartsWith(bytes, "MATLAB 7.3"))
    return absl::InvalidArgumentError("a MATLAB 7.3 file; MATLAB's save -v7 writes the kind that is read here");
  // "IM" as one 16-bit number of a little-endian machine, behind the version 0x0100.
  if (bytes.substr(124, 4) != absl::string_view("\x00\x01IM", 4))
    return absl::InvalidArgumentError("not a MATLAB file of level 5 from a little-endian machine");
  const size_t dot = variable.find('.');
  const absl::string_view top = absl::string_view(variable).substr(0, dot);
  absl::string_view rest = bytes.substr(kHeader);
  while (!rest.empty()) {
    Element element;
    std::string inflated;
    if (!Next(rest, false, element)) return Damaged();
    if (element.type == kCompressed) {
      if (!Inflate(element.body, inflated)) return Damaged();
      absl::string_view inside = inflated;
      if (!Next(inside, false, element)) return Damaged();
    }
    Matrix matrix;
    if (element.type != kMatrix) continue;
    if (!ReadHead(element.body, matrix)) return Damaged();
    if (matrix.name != top) continue;
    if (dot != std::string::npos) {
      absl::StatusOr<Matrix> field = ReadField(matrix, absl::string_view(variable).substr(dot + 1));
      if (!field.ok()) return field.status();
      matrix = *field;
    }
    absl::StatusOr<IndexMap> map = ToMap(matrix);
    if (!map.ok())
      return absl::Status(map.status().code(), absl::StrCat("variable '", variable, "' ", map.status().message()));
    return map;
  }
  return absl::NotFoundError(absl::StrCat("has no variable '", top, "'"));
}

absl::StatusOr<IndexMap> ReadMatIndexMap(const std::string& path, const std::string& variable) {
  absl::StatusOr<std::string> bytes = autograd::ReadFile(path);
  absl::StatusOr<IndexMap> map = bytes.ok() ? DecodeMatIndexMap(*bytes, variable) : bytes.status();
  if (!map.ok()) return absl::Status(map.status().code(), absl::StrCat("'", path, "': ", map.status().message()));
  return map;
}

}  // namespace data
