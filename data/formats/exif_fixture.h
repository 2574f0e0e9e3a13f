// Pictures with an EXIF remark, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace data {

inline std::string ExifNumber(uint32_t value, int size, bool big_endian) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i)));
  return bytes;
}

// A TIFF structure whose one directory has the maker's name and the orientation, a SHORT as cameras write it.
inline std::string ExifBytes(int orientation, bool big_endian = true) {
  const auto number = [big_endian](uint32_t value, int size) { return ExifNumber(value, size, big_endian); };
  return (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) +                 //
         number(0x010F, 2) + number(2, 2) + number(4, 4) + std::string("abc\0", 4) +                //
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + number(0, 2) +  //
         number(0, 4);
}

// `exif` as an APP1 segment behind the start of a JPEG.
inline std::string JpegWithExif(const std::string& jpeg, const std::string& exif) {
  const std::string body = std::string("Exif\0\0", 6) + exif;
  return jpeg.substr(0, 2) + "\xFF\xE1" + ExifNumber(static_cast<uint32_t>(body.size() + 2), 2, true) + body +
         jpeg.substr(2);
}

// `exif` as an eXIf chunk behind the header of a PNG, or before its end.
inline std::string PngWithExif(const std::string& png, const std::string& exif, bool at_the_end = false) {
  constexpr size_t kBehindHeader = 8 + 25, kEnd = 12;
  const std::string body = "eXIf" + exif;
  uint32_t checksum = 0xFFFFFFFF;  // CRC-32, as the PNG specification's annex D computes it
  for (const char byte : body) {
    checksum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) checksum = checksum >> 1 ^ (checksum & 1 ? 0xEDB88320 : 0);
  }
  const size_t place = at_the_end ? png.size() - kEnd : kBehindHeader;
  return png.substr(0, place) + ExifNumber(static_cast<uint32_t>(exif.size()), 4, true) + body +
         ExifNumber(~checksum, 4, true) + png.substr(place);
}

}  // namespace data
