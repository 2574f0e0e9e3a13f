#include "data/formats/image_header.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/formats/exif.h"

namespace data {
namespace {

// Bytes at any place of a file, of which only pieces need be in memory.
class Bytes {
 public:
  virtual ~Bytes() = default;
  virtual uint64_t size() const = 0;
  // `count` bytes from `offset`, fewer only at the end; valid until the next call.
  virtual absl::string_view At(uint64_t offset, size_t count) = 0;
};

class BytesInMemory : public Bytes {
 public:
  explicit BytesInMemory(absl::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::string_view At(uint64_t offset, size_t count) override {
    return offset < bytes_.size() ? bytes_.substr(offset, count) : absl::string_view();
  }

 private:
  const absl::string_view bytes_;
};

class BytesOfFile : public Bytes {
 public:
  BytesOfFile(int descriptor, uint64_t size) : descriptor_(descriptor), size_(size) {}
  uint64_t size() const override { return size_; }
  absl::string_view At(uint64_t offset, size_t count) override {
    if (offset < begin_ || offset + count > begin_ + window_.size()) Fill(offset, count);
    return absl::string_view(window_).substr(std::min<uint64_t>(offset - begin_, window_.size()), count);
  }
  int error() const { return error_; }

 private:
  void Fill(uint64_t offset, size_t count) {
    constexpr size_t kWindow = 4096;
    begin_ = offset;
    window_.resize(std::max(count, kWindow));
    size_t done = 0;
    while (done < window_.size()) {
      const ssize_t read =
          pread(descriptor_, window_.data() + done, window_.size() - done, static_cast<off_t>(offset + done));
      if (read < 0 && errno == EINTR) continue;
      if (read < 0) error_ = errno;
      if (read <= 0) break;
      done += static_cast<size_t>(read);
    }
    window_.resize(done);
  }

  const int descriptor_;
  const uint64_t size_;
  uint64_t begin_ = 0;
  std::string window_;
  int error_ = 0;
};

uint32_t BigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

constexpr absl::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8), kJpegSignature("\xFF\xD8\xFF", 3);

absl::Status CheckSize(int64_t width, int64_t height) {
  if (width <= kMaxDimension && height <= kMaxDimension && width * height <= kMaxPixels) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the image is too large: ", width, " x ", height));
}

// Chunks of a length, a type, a body and a checksum (W3C PNG, section 5). eXIf may stand before or behind the image
// data.
absl::StatusOr<ImageHeader> WalkPng(Bytes& bytes) {
  constexpr uint64_t kFrame = 12, kLongest = 0x7FFFFFFF;
  constexpr int kRgb = 2, kRgbAlpha = 6;
  ImageHeader header;
  bool described = false;
  for (uint64_t offset = kPngSignature.size();;) {
    const absl::string_view frame = bytes.At(offset, 8);
    const uint64_t length = BigEndian(frame.substr(0, 4));
    if (frame.size() < 8 || offset + kFrame + length > bytes.size())
      return absl::DataLossError("damaged PNG: the file is truncated");
    if (length > kLongest) return absl::DataLossError("damaged PNG: a chunk is too long");
    const std::string type(frame.substr(4));
    if (!described) {
      const absl::string_view body = bytes.At(offset + 8, 13);
      if (type != "IHDR" || length != 13 || body.size() < 13) return absl::DataLossError("damaged PNG: no header");
      const int64_t width = BigEndian(body.substr(0, 4)), height = BigEndian(body.substr(4, 4));
      if (width == 0 || height == 0) return absl::DataLossError("damaged PNG: the image has no pixels");
      if (absl::Status status = CheckSize(width, height); !status.ok()) return status;
      header.width = static_cast<int>(width);
      header.height = static_cast<int>(height);
      header.has_indices = body[9] != kRgb && body[9] != kRgbAlpha;
      described = true;
    }
    if (type == "eXIf") header.orientation = ExifOrientation(bytes.At(offset + 8, length));
    if (type == "IEND") return header;
    offset += kFrame + length;
  }
}

bool HasEndOfImage(Bytes& bytes, uint64_t scan) {
  constexpr absl::string_view kEndOfImage("\xFF\xD9", 2);
  constexpr uint64_t kTail = 4096, kPiece = 1 << 20;
  const uint64_t tail = bytes.size() > scan + kTail ? bytes.size() - kTail : scan;
  if (absl::StrContains(bytes.At(tail, kTail), kEndOfImage)) return true;
  // What phones append may be longer than the tail. Pieces overlap by one byte.
  for (uint64_t offset = scan; offset < tail; offset += kPiece - 1) {
    if (absl::StrContains(bytes.At(offset, kPiece), kEndOfImage)) return true;
  }
  return false;
}

// Marker segments up to the first scan (ISO 10918-1, annex B). Bytes between segments are passed over, as libjpeg does.
absl::StatusOr<ImageHeader> WalkJpeg(Bytes& bytes) {
  const absl::Status truncated = absl::DataLossError("damaged JPEG: the file is truncated");
  ImageHeader header;
  bool found_exif = false;
  for (uint64_t offset = 2;;) {
    uint8_t marker = 0;
    for (bool escaped = false; marker == 0;) {
      const absl::string_view next = bytes.At(offset++, 1);
      if (next.empty()) return truncated;
      const uint8_t byte = static_cast<uint8_t>(next[0]);
      if (escaped && byte != 0xFF) marker = byte;
      escaped = byte == 0xFF;
    }
    const bool alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
    if (alone) continue;
    if (marker == 0xD9) return absl::DataLossError("damaged JPEG: it ends before its image");
    const absl::string_view length_bytes = bytes.At(offset, 2);
    if (length_bytes.size() < 2) return truncated;
    const uint32_t length = BigEndian(length_bytes);
    if (length < 2) return absl::DataLossError("damaged JPEG: a segment is too short");
    const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame) {
      const absl::string_view frame = bytes.At(offset + 2, 5);
      if (frame.size() < 5) return truncated;
      header.height = static_cast<int>(BigEndian(frame.substr(1, 2)));
      header.width = static_cast<int>(BigEndian(frame.substr(3, 2)));
      if (header.height == 0 || header.width == 0) return absl::DataLossError("damaged JPEG: the image has no pixels");
      if (absl::Status status = CheckSize(header.width, header.height); !status.ok()) return status;
    }
    if (marker == 0xE1 && !found_exif) {
      absl::string_view body = bytes.At(offset + 2, length - 2);
      // "Exif", a zero and a byte that should be zero.
      found_exif = body.size() > 6 && body.substr(0, 5) == absl::string_view("Exif\0", 5);
      if (found_exif) header.orientation = ExifOrientation(body.substr(6));
    }
    offset += length;
    if (marker != 0xDA) continue;
    if (header.height == 0) return absl::DataLossError("damaged JPEG: a scan before the size of the image");
    if (!HasEndOfImage(bytes, offset)) return truncated;
    return header;
  }
}

absl::StatusOr<ImageHeader> Walk(Bytes& bytes) {
  if (bytes.size() == 0) return absl::DataLossError("the file is empty");
  const absl::string_view first = bytes.At(0, 8);
  if (absl::StartsWith(first, kPngSignature)) return WalkPng(bytes);
  if (absl::StartsWith(first, kJpegSignature)) return WalkJpeg(bytes);
  return absl::InvalidArgumentError("neither PNG nor JPEG, judging by its first bytes");
}

}  // namespace

int ImageHeader::ReadHeight(const ReadOptions& options) const {
  return SwapsSides(orientation) && !options.ignore_orientation ? width : height;
}

int ImageHeader::ReadWidth(const ReadOptions& options) const {
  return SwapsSides(orientation) && !options.ignore_orientation ? height : width;
}

absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path) {
  const auto cannot = [&path](const char* action, int error) {
    const std::string message =
        absl::StrCat("cannot ", action, " '", path, "': ", std::generic_category().message(error));
    return error == ENOENT || error == ENOTDIR ? absl::NotFoundError(message)
           : error == EACCES || error == EPERM ? absl::PermissionDeniedError(message)
                                               : absl::InternalError(message);
  };
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return cannot("open", errno);
  struct stat information;
  if (fstat(descriptor, &information) != 0 || !S_ISREG(information.st_mode)) {
    close(descriptor);
    return absl::FailedPreconditionError(absl::StrCat("cannot read '", path, "': not a regular file"));
  }
  BytesOfFile bytes(descriptor, static_cast<uint64_t>(information.st_size));
  absl::StatusOr<ImageHeader> header = Walk(bytes);
  close(descriptor);
  if (bytes.error() != 0) return cannot("read", bytes.error());
  if (!header.ok())
    return absl::Status(header.status().code(), absl::StrCat("'", path, "': ", header.status().message()));
  return header;
}

absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes) {
  BytesInMemory in_memory(bytes);
  return Walk(in_memory);
}

int OrientationOf(absl::string_view bytes) {
  const absl::StatusOr<ImageHeader> header = ParseImageHeader(bytes);
  return header.ok() ? header->orientation : 1;
}

}  // namespace data
