#include "experiments/report/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace experiments {
namespace {

TEST(Crc32cTest, PublishedVectors) {
  // RFC 3720, appendix B.4, and the usual check value of the polynomial.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(descending), 0x113FDB5Cu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, MaskIsRotationByFifteenPlusConstant) {
  // 0xE3069283 rotated right by 15 is 0x2507C60D; plus 0xA282EAD8 it is 0xC78AB0E5.
  EXPECT_EQ(MaskedCrc32c("123456789"), 0xC78AB0E5u);
}

}  // namespace
}  // namespace experiments
