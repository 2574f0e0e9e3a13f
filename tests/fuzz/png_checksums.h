#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fuzz {

// The same bytes, where they look like PNG chunks (length, type, body, checksum) with the checksum that belongs to
// them. Otherwise hardly any changed byte would come past libpng's check of it.
inline std::vector<uint8_t> WithRightChecksums(const uint8_t* data, size_t size) {
  constexpr size_t kSignature = 8, kTypeAndLength = 8, kChecksum = 4;
  std::vector<uint8_t> bytes(data, data + size);
  size_t chunk = kSignature;
  while (chunk + kTypeAndLength + kChecksum <= size) {
    const size_t length =
        size_t{bytes[chunk]} << 24 | size_t{bytes[chunk + 1]} << 16 | size_t{bytes[chunk + 2]} << 8 | bytes[chunk + 3];
    if (length > size - chunk - kTypeAndLength - kChecksum) break;
    const auto checksum = crc32(0, bytes.data() + chunk + 4, static_cast<uInt>(length + 4));
    const size_t end = chunk + kTypeAndLength + length;
    for (size_t i = 0; i < kChecksum; ++i) bytes[end + i] = static_cast<uint8_t>(checksum >> (24 - 8 * i));
    chunk = end + kChecksum;
  }
  return bytes;
}

}  // namespace fuzz
