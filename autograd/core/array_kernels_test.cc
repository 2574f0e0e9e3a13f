// The kernels of arrays on each device, at addresses and for lengths that allow packs, and others.

#include "autograd/core/array_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <numeric>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/runtime/dtype.h"
#include "autograd/testing/each_device.h"

namespace autograd {
namespace {

constexpr int64_t kSizes[] = {0, 1, 3, 8, 16, 37, 4099};
constexpr int64_t kMost = 4099, kOffsets[] = {0, 1, 4, 16};
constexpr DType kFloating[] = {kFloat32, kFloat64, kBFloat16};

// Small integers: every dtype holds them and their sums exactly.
Array Numbers(DType dtype, int first) {
  std::vector<float> values(kMost + 2 * 16);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((first + i) % 61);
  const Array floats = Array::From<float>({static_cast<int64_t>(values.size())}, values);
  Array numbers = Array::Empty(floats.shape(), dtype);
  kernels::Convert(Stream::Current(), floats, numbers);
  return numbers;
}
std::vector<double> Values(const Array& array) {
  const Array host = array.To(Stream::Cpu());
  std::vector<double> values;
  const auto append = [&](const auto& typed) { values.assign(typed.begin(), typed.end()); };
  switch (host.dtype()) {
    case kBFloat16:
      for (const BFloat16 value : host.ToVector<BFloat16>()) values.push_back(static_cast<double>(value));
      break;
    case kFloat64:
      append(host.ToVector<double>());
      break;
    case kFloat32:
      append(host.ToVector<float>());
      break;
    case kInt32:
      append(host.ToVector<int32_t>());
      break;
    case kInt64:
      append(host.ToVector<int64_t>());
      break;
    case kUInt8:
      append(host.ToVector<uint8_t>());
      break;
  }
  return values;
}

// Calls body(size, offset) for all of them.
template <typename Body>
void ForEachSlice(const Body& body) {
  for (const int64_t size : kSizes) {
    for (const int64_t offset : kOffsets) {
      SCOPED_TRACE(::testing::Message() << size << " elements from " << offset);
      body(size, offset);
    }
  }
}

TEST(ArrayKernelsTest, NumbersAreWhatTheyAre) {
  testing::OnEachDevice([] {
    for (const DType dtype : kFloating) {
      const std::vector<double> values = Values(Numbers(dtype, 5));
      for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<double>((5 + i) % 61));
    }
  });
}

TEST(ArrayKernelsTest, FillChangesItsElementsOnly) {
  testing::OnEachDevice([] {
    ForEachSlice([](int64_t size, int64_t offset) {
      for (const DType dtype : {kFloat32, kFloat64, kBFloat16, kInt32, kInt64, kUInt8}) {
        Array all = Array::Zeros({kMost + 32}, dtype);
        Array part = all.Slice(offset, offset + size);
        kernels::Fill(Stream::Current(), part, 3);
        const std::vector<double> values = Values(all);
        for (int64_t i = 0; i < all.size(); ++i)
          ASSERT_EQ(values[i], i >= offset && i < offset + size ? 3 : 0) << dtype << " " << i;
      }
    });
  });
}

TEST(ArrayKernelsTest, ConvertWritesItsElementsOnly) {
  testing::OnEachDevice([] {
    ForEachSlice([](int64_t size, int64_t offset) {
      for (const DType from : kFloating) {
        for (const DType to : kFloating) {
          const Array x = Numbers(from, 7);
          Array all = Array::Zeros(x.shape(), to);
          Array part = all.Slice(offset, offset + size);
          kernels::Convert(Stream::Current(), x.Slice(1, 1 + size), part);
          const std::vector<double> values = Values(all), expected = Values(x);
          for (int64_t i = 0; i < all.size(); ++i) {
            const bool inside = i >= offset && i < offset + size;
            ASSERT_EQ(values[i], inside ? expected[1 + i - offset] : 0) << from << " to " << to << " " << i;
          }
        }
      }
    });
  });
}

TEST(ArrayKernelsTest, AccumulateAddsToItsElementsOnly) {
  testing::OnEachDevice([] {
    ForEachSlice([](int64_t size, int64_t offset) {
      for (const DType dtype : kFloating) {
        const Array x = Numbers(dtype, 7);
        Array all = Numbers(dtype, 20);
        const std::vector<double> before = Values(all), added = Values(x);
        Array part = all.Slice(offset, offset + size);
        kernels::Accumulate(Stream::Current(), x.Slice(16, 16 + size), part);
        const std::vector<double> values = Values(all);
        for (int64_t i = 0; i < all.size(); ++i) {
          const bool inside = i >= offset && i < offset + size;
          ASSERT_EQ(values[i], before[i] + (inside ? added[16 + i - offset] : 0)) << dtype << " " << i;
        }
      }
    });
  });
}

TEST(ArrayKernelsTest, AccumulateAllAddsToItsElementsOnly) {
  testing::OnEachDevice([] {
    // Of one pair of dtypes more than a table has room for.
    constexpr int kRepeats = 6;
    constexpr int64_t kBegins[kRepeats] = {1, 0, 4, 8, 15, 16};
    constexpr int64_t kSums = kRepeats * std::size(kSizes) * std::size(kOffsets), kStride = kMost + 2 * 16;
    std::vector<Addition> additions;
    std::vector<Array> sums;
    std::vector<std::vector<double>> expected;
    for (const DType from : kFloating) {
      const Array x = Numbers(from, 7);
      const std::vector<double> added = Values(x);
      for (const DType to : kFloating) {
        Array all = Array::Full({kSums * kStride}, to, 5);
        std::vector<double> values(all.size(), 5);
        int64_t place = 0;
        const int repeats = from == kBFloat16 && to == kFloat32 ? kRepeats : 1;
        for (int r = 0; r < repeats; ++r) {
          const int64_t begin = kBegins[r];
          ForEachSlice([&](int64_t size, int64_t offset) {
            const int64_t first = place++ * kStride + offset;
            additions.push_back({x.Slice(begin, begin + size), all.Slice(first, first + size)});
            for (int64_t i = 0; i < size; ++i) values[first + i] += added[begin + i];
          });
        }
        sums.push_back(all);
        expected.push_back(values);
      }
    }
    kernels::AccumulateAll(Stream::Current(), additions);
    for (size_t k = 0; k < sums.size(); ++k) ASSERT_TRUE(Values(sums[k]) == expected[k]) << k;
  });
}

// As if it were converted first: one rounding of the value, one of the sum.
TEST(ArrayKernelsTest, AccumulateAllRoundsAsConvertAndAccumulateDo) {
  testing::OnEachDevice([] {
    constexpr int64_t kSize = 20011;  // three chunks
    for (const DType from : kFloating) {
      for (const DType to : kFloating) {
        std::vector<double> values(kSize);
        for (int64_t i = 0; i < kSize; ++i) values[i] = std::sin(static_cast<double>(i));
        const Array doubles = Array::From<double>({kSize}, values);
        Array x = Array::Empty({kSize}, from), sum = Array::Empty({kSize}, to), converted = Array::Empty({kSize}, to);
        kernels::Convert(Stream::Current(), doubles, x);
        kernels::Fill(Stream::Current(), sum, 1.0 / 3);
        Array expected = sum.Copy();
        kernels::Convert(Stream::Current(), x, converted);
        kernels::Accumulate(Stream::Current(), converted, expected);
        kernels::AccumulateAll(Stream::Current(), std::vector<Addition>{{x, sum}});
        ASSERT_EQ(Values(sum), Values(expected)) << from << " to " << to;
      }
    }
  });
}

}  // namespace
}  // namespace autograd
