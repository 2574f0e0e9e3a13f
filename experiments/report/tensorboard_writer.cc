#include "experiments/report/tensorboard_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "experiments/report/crc32c.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kFilePrefix = "events.out.tfevents.";
constexpr absl::Duration kFlushInterval = absl::Seconds(5);
constexpr size_t kRecordOverhead = 16;  // Length, its checksum, and the payload's.

template <typename T>
void AppendLittleEndian(T value, std::string* bytes) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename T>
T ReadLittleEndian(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// A protocol buffer in the making. Field numbers are those of tensorflow's
// event.proto, summary.proto, tensor.proto.
class Message {
 public:
  Message& Varint(int field, uint64_t value) {
    AppendVarint(field << 3 | 0);
    AppendVarint(value);
    return *this;
  }
  Message& Double(int field, double value) {
    AppendVarint(field << 3 | 1);
    AppendLittleEndian(value, &bytes_);
    return *this;
  }
  Message& Float(int field, float value) {
    AppendVarint(field << 3 | 5);
    AppendLittleEndian(value, &bytes_);
    return *this;
  }
  Message& Bytes(int field, absl::string_view value) {
    AppendVarint(field << 3 | 2);
    AppendVarint(value.size());
    absl::StrAppend(&bytes_, value);
    return *this;
  }
  Message& Nested(int field, const Message& message) { return Bytes(field, message.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void AppendVarint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

double WallTime() { return absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()); }

Message Event(int64_t step) { return Message().Double(1, WallTime()).Varint(2, static_cast<uint64_t>(step)); }

std::string SummaryEvent(int64_t step, const Message& value) {
  return Event(step).Nested(5, Message().Nested(1, value)).bytes();
}

// Field 2 of an Event written above, which puts it right after the wall time; 0 when it is left out, as
// protocol buffers do with zeros.
std::optional<int64_t> StepOfEvent(absl::string_view event) {
  if (event.size() < 9 || event[0] != 0x09) return std::nullopt;
  if (event.size() < 10 || event[9] != 0x10) return 0;
  uint64_t step = 0;
  for (size_t i = 10, shift = 0; i < event.size() && shift < 64; ++i, shift += 7) {
    step |= static_cast<uint64_t>(event[i] & 0x7F) << shift;
    if ((event[i] & 0x80) == 0) return static_cast<int64_t>(step);
  }
  return std::nullopt;
}

// Bytes of the leading records that are whole and belong to a step that the resumed run will not repeat.
size_t LengthToKeep(absl::string_view file, int64_t resumed_step) {
  size_t offset = 0;
  while (file.size() - offset >= kRecordOverhead) {
    const absl::string_view rest = file.substr(offset);
    const auto length = ReadLittleEndian<uint64_t>(rest.data());
    if (ReadLittleEndian<uint32_t>(rest.data() + 8) != MaskedCrc32c(rest.substr(0, 8))) break;
    if (length > rest.size() - kRecordOverhead) break;
    const absl::string_view event = rest.substr(12, length);
    if (ReadLittleEndian<uint32_t>(rest.data() + 12 + length) != MaskedCrc32c(event)) break;
    const std::optional<int64_t> step = StepOfEvent(event);
    if (!step || *step > resumed_step) break;
    offset += kRecordOverhead + length;
  }
  return offset;
}

absl::StatusOr<std::vector<std::string>> EventFiles(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (absl::StartsWith(it->path().filename().string(), kFilePrefix)) paths.push_back(it->path().string());
  }
  if (error) return absl::UnavailableError(absl::StrCat("cannot list ", directory, ": ", error.message()));
  std::sort(paths.begin(), paths.end());  // The name starts with the time of creation.
  return paths;
}

absl::Status TruncateAfterStep(const std::string& path, int64_t resumed_step) {
  std::ifstream in(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) return absl::UnavailableError(absl::StrCat("cannot read ", path));
  std::error_code error;
  fs::resize_file(path, LengthToKeep(content, resumed_step), error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot truncate ", path, ": ", error.message()));
  return absl::OkStatus();
}

std::string NewFileName(size_t existing_files) {
  return absl::StrFormat("%s%010d.%06d", kFilePrefix, absl::ToUnixSeconds(absl::Now()), existing_files);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorBoardWriter>> TensorBoardWriter::Open(const std::string& directory,
                                                                           std::optional<int64_t> resumed_step) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot create ", directory, ": ", error.message()));
  absl::StatusOr<std::vector<std::string>> existing = EventFiles(directory);
  if (!existing.ok()) return existing.status();

  std::string path = (fs::path(directory) / NewFileName(existing->size())).string();
  bool starts_empty = true;
  if (resumed_step && !existing->empty()) {
    path = existing->back();
    if (absl::Status status = TruncateAfterStep(path, *resumed_step); !status.ok()) return status;
    starts_empty = fs::file_size(path, error) == 0;
  }

  std::ofstream file(path, std::ios::binary | std::ios::app);
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  std::unique_ptr<TensorBoardWriter> writer(new TensorBoardWriter(path, std::move(file)));
  if (starts_empty) writer->WriteRecord(Event(0).Bytes(3, "brain.Event:2").bytes());
  if (absl::Status status = writer->Flush(); !status.ok()) return status;
  return writer;
}

void TensorBoardWriter::AddScalar(absl::string_view tag, double value, int64_t step) {
  WriteRecord(SummaryEvent(step, Message().Bytes(1, tag).Float(2, static_cast<float>(value))));
}

void TensorBoardWriter::AddPicture(absl::string_view tag, absl::string_view png, int64_t step) {
  // Only the PNG matters to viewers; the size is repeated from its IHDR chunk (big-endian, bytes 16 to 23).
  const auto big_endian = [png](size_t at) {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4 && i < png.size(); ++i) value = value << 8 | static_cast<uint8_t>(png[i]);
    return value;
  };
  constexpr int kRgb = 3;
  const Message image = Message().Varint(1, big_endian(20)).Varint(2, big_endian(16)).Varint(3, kRgb).Bytes(4, png);
  WriteRecord(SummaryEvent(step, Message().Bytes(1, tag).Nested(4, image)));
}

void TensorBoardWriter::AddText(absl::string_view tag, absl::string_view markdown, int64_t step) {
  constexpr int kStringType = 7;
  constexpr int kTensorData = 2;
  const Message metadata = Message().Nested(1, Message().Bytes(1, "text")).Varint(4, kTensorData);
  const Message tensor =
      Message().Varint(1, kStringType).Nested(2, Message().Nested(2, Message().Varint(1, 1))).Bytes(8, markdown);
  WriteRecord(SummaryEvent(step, Message().Bytes(1, tag).Nested(9, metadata).Nested(8, tensor)));
}

void TensorBoardWriter::WriteRecord(absl::string_view event) {
  std::string record;
  AppendLittleEndian<uint64_t>(event.size(), &record);
  AppendLittleEndian<uint32_t>(MaskedCrc32c(record), &record);
  absl::StrAppend(&record, event);
  AppendLittleEndian<uint32_t>(MaskedCrc32c(event), &record);
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  if (absl::Now() - last_flush_ > kFlushInterval) {  // So that curves can be watched.
    file_.flush();
    last_flush_ = absl::Now();
  }
}

absl::Status TensorBoardWriter::Flush() {
  if (!file_.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", path_, " (disk full?)"));
  return absl::OkStatus();
}

}  // namespace experiments
