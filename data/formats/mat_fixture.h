// MATLAB files of level 5 for tests ("MAT-File Format", MathWorks, chapter 1).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace data {

// Types of stored values.
inline constexpr uint32_t kMatInt8 = 1, kMatUint8 = 2, kMatUint16 = 4, kMatInt32 = 5, kMatUint32 = 6, kMatDouble = 9,
                          kMatMatrix = 14, kMatCompressed = 15;
// Classes of arrays.
inline constexpr uint8_t kMatStructClass = 2, kMatCharClass = 4, kMatDoubleClass = 6, kMatUint8Class = 9,
                         kMatUint16Class = 11;

template <typename Value>
std::string MatBytes(const std::vector<Value>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}

inline std::string MatElement(uint32_t type, std::string body) {
  const std::string tag = MatBytes<uint32_t>({type, static_cast<uint32_t>(body.size())});
  if (type != kMatCompressed) body.resize((body.size() + 7) / 8 * 8);
  return tag + body;
}

// `rest`: what follows the name, such as the element of the values, by columns.
inline std::string MatArray(const std::string& name, uint32_t kind_and_flags, const std::vector<int32_t>& sizes,
                            const std::string& rest) {
  return MatElement(kMatMatrix, MatElement(kMatUint32, MatBytes<uint32_t>({kind_and_flags, 0})) +
                                    MatElement(kMatInt32, MatBytes(sizes)) + MatElement(kMatInt8, name) + rest);
}

// Fields are arrays without a name.
inline std::string MatStruct(const std::string& name, const std::vector<std::pair<std::string, std::string>>& fields) {
  constexpr size_t kNameBytes = 32;
  std::string names, arrays;
  for (const auto& [field, array] : fields) {
    names += field;
    names.resize((names.size() + kNameBytes - 1) / kNameBytes * kNameBytes);
    arrays += array;
  }
  return MatArray(name, kMatStructClass, {1, 1},
                  MatBytes<uint32_t>({kMatInt32 | 4u << 16, kNameBytes}) + MatElement(kMatInt8, names) + arrays);
}

inline std::string MatFile(const std::string& elements) {
  std::string header = "MATLAB 5.0 MAT-file, made by a test";
  header.resize(124, ' ');
  return header + std::string("\x00\x01IM", 4) + elements;
}

}  // namespace data
