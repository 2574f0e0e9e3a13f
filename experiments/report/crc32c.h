#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace experiments {

// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected; RFC 3720 appendix B.4).
uint32_t Crc32c(absl::string_view bytes);

// As TFRecord files store it: rotated and shifted, so that a checksum over data
// that holds checksums stays useful.
uint32_t MaskedCrc32c(absl::string_view bytes);

}  // namespace experiments
