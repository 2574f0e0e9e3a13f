#include "autograd/testing/same_bits.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace autograd::testing {
namespace {

float FloatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

TEST(SameBitsTest, EqualArraysAreTheSame) {
  EXPECT_TRUE(SameBits(Array(), Array()));
  EXPECT_TRUE(SameBits(Array::Zeros({0, 3}, kInt64), Array::Zeros({0, 3}, kInt64)));
  for (DType dtype : {kFloat32, kFloat64, kBFloat16, kInt32, kInt64, kUInt8})
    EXPECT_TRUE(SameBits(Array::Full({2, 3}, dtype, 3), Array::Full({2, 3}, dtype, 3))) << dtype;
  const std::vector<float> special = {NAN, INFINITY, -0.0f};
  EXPECT_TRUE(SameBits(Array::From({3}, special), Array::From({3}, special)));
}

TEST(SameBitsTest, TheFirstDifferenceIsNamed) {
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameBits(Array::From<float>({2, 3}, {0, 0, 0, 0, 0.5f, 7}), Array::Zeros({2, 3}, kFloat32))),
      "at [1, 1] of float32 [2, 3]: 0.5 (0x3f000000) and 0 (0x0)");
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameBits(Array::From<double>({1}, {1}), Array::From<double>({1}, {std::nextafter(1.0, 2.0)}))),
      "at [0] of float64 [1]: 1 (0x3ff0000000000000) and 1.0000000000000002 (0x3ff0000000000001)");
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameBits(Array::Full({}, kBFloat16, 1), Array::From<BFloat16>({}, {BFloat16(-2.0f)}))),
      "at [] of bfloat16 []: 1 (0x3f80) and -2 (0xc000)");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::From<uint8_t>({2}, {1, 65}), Array::Full({2}, kUInt8, 1))),
                          "at [1] of uint8 [2]: 65 and 1");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::From<int64_t>({1}, {-1}), Array::Zeros({1}, kInt64))),
                          "-1 and 0");
}

// What == between numbers does not tell apart, or not from itself.
TEST(SameBitsTest, ZerosHaveSignsAndNansPayloads) {
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::From<float>({1}, {0.0f}), Array::From<float>({1}, {-0.0f}))),
                          "0 (0x0) and -0 (0x80000000)");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::From<float>({1}, {FloatOfBits(0x7FC00001)}),
                                               Array::From<float>({1}, {FloatOfBits(0x7FC00002)}))),
                          "nan (0x7fc00001) and nan (0x7fc00002)");
}

TEST(SameBitsTest, DtypesShapesAndMissingArrays) {
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::Zeros({2, 3}, kFloat32), Array::Zeros({3, 2}, kFloat32))),
                          "float32 [2, 3] and float32 [3, 2]");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::Zeros({2}, kFloat32), Array::Zeros({2}, kInt32))),
                          "float32 [2] and int32 [2]");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array::Zeros({2}, kFloat32), Array())), "the second array is missing");
  EXPECT_NONFATAL_FAILURE(EXPECT_TRUE(SameBits(Array(), Array::Zeros({2}, kFloat32))), "the first array is missing");
}

}  // namespace
}  // namespace autograd::testing
