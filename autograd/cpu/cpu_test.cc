#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd::cpu {
namespace {

template <typename T>
std::vector<T> Draw(int64_t count, uint64_t stream) {
  std::vector<T> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = static_cast<T>(UniformFloat(Philox(RandomKey(7, stream), i).x) - 0.5f);
  return values;
}

template <typename Out, typename T>
std::vector<Out> Product(const GemmShape& shape, const std::vector<T>& a, const std::vector<T>& b, bool accumulate,
                         Out initial) {
  std::vector<Out> c(shape.m * shape.n, initial);
  ParallelGemm(shape, a.data(), shape.transpose_a ? shape.m : shape.k, b.data(), shape.transpose_b ? shape.k : shape.n,
               accumulate, c.data(), shape.n);
  return c;
}

// Every element against a plain sum in double, which rounds as a double product does. Each term is rounded as a product
// and in at most k additions, and a bfloat16 result once more.
template <typename T, typename Out = T>
void CheckProduct(const GemmShape& shape, bool accumulate) {
  const double rounding = testing::RoundingOfSum(DTypeOf<ComputeType<T>>::value, shape.k + 1) +
                          testing::RoundingOfSum(kFloat64, shape.k + 1) +
                          (std::is_same_v<Out, BFloat16> ? testing::UnitRoundoff(kBFloat16) * (1 + 1e-3) : 0);
  const std::vector<T> a = Draw<T>(shape.m * shape.k, 1), b = Draw<T>(shape.k * shape.n, 2);
  const std::vector<Out> c = Product(shape, a, b, accumulate, static_cast<Out>(0.25f));
  for (int64_t i = 0; i < shape.m; ++i) {
    for (int64_t j = 0; j < shape.n; ++j) {
      double sum = accumulate ? 0.25 : 0, magnitude = sum;
      for (int64_t l = 0; l < shape.k; ++l) {
        const double term = static_cast<double>(a[shape.transpose_a ? l * shape.m + i : i * shape.k + l]) *
                            static_cast<double>(b[shape.transpose_b ? j * shape.k + l : l * shape.n + j]);
        sum += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(static_cast<double>(c[i * shape.n + j]), sum, rounding * magnitude)
          << i << ", " << j << " of " << shape.m << "x" << shape.n << "x" << shape.k;
    }
  }
}

TEST(GemmTest, MatchesPlainSums) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const bool accumulate : {false, true}) {
        CheckProduct<float>({17, 5, 31, transpose_a, transpose_b}, accumulate);
        CheckProduct<double>({17, 5, 31, transpose_a, transpose_b}, accumulate);
        CheckProduct<float>({1, 1, 1, transpose_a, transpose_b}, accumulate);
        CheckProduct<float>({3, 4, 0, transpose_a, transpose_b}, accumulate);
        CheckProduct<double>({3, 4, 0, transpose_a, transpose_b}, accumulate);
      }
    }
  }
}

TEST(GemmTest, MatchesPlainSumsWhereItIsCut) {
  const GemmShape wide{401, 419, 211, false, true}, deep{61, 67, 8209, true, false};
  EXPECT_GT(PlanTiles(wide).rows * PlanTiles(wide).columns, 1);
  EXPECT_GT(PlanTiles(deep).depth, 1);
  CheckProduct<float>(wide, true);
  CheckProduct<double>(wide, false);
  CheckProduct<float>(deep, true);
  CheckProduct<double>(deep, false);
}

// Threads share tiles evenly, and a product that takes one thread a tenth of a millisecond is worth two of them.
TEST(GemmTest, TilesComeInEvenNumbers) {
  for (const GemmShape& shape :
       {GemmShape{256, 128, 128}, GemmShape{64, 320, 1280}, GemmShape{160, 640, 2048}, GemmShape{128, 640, 2560},
        GemmShape{1000, 300, 300}, GemmShape{700, 700, 100}, GemmShape{16, 512, 4096}, GemmShape{2048, 2048, 2048}}) {
    const GemmTiles tiles = PlanTiles(shape);
    const int64_t pieces = tiles.rows * tiles.columns * tiles.depth;
    EXPECT_EQ(pieces, EvenPieces(pieces)) << shape.m << " " << shape.n << " " << shape.k;
    EXPECT_GT(pieces, 1) << shape.m << " " << shape.n << " " << shape.k;
  }
  const GemmTiles small = PlanTiles({64, 64, 64});
  EXPECT_EQ(small.rows * small.columns * small.depth, 1);
}

// oneDNN multiplies bfloat16 with AVX-512 alone, be it by shifts and float32 where the CPU has no instruction for it.
#define SKIP_WITHOUT_AVX512() \
  if (!OneDnnHasAvx512()) GTEST_SKIP() << "oneDNN has no bfloat16 products on this CPU (or under DNNL_MAX_CPU_ISA)"

// Operands in bfloat16, whose products and sums are those of float32 numbers.
TEST(GemmTest, MultipliesBFloat16WithSumsInFloat32) {
  SKIP_WITHOUT_AVX512();
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const GemmShape& shape :
           {GemmShape{17, 5, 31, transpose_a, transpose_b}, GemmShape{1, 1, 1, transpose_a, transpose_b},
            GemmShape{3, 4, 0, transpose_a, transpose_b}, GemmShape{64, 96, 33, transpose_a, transpose_b},
            GemmShape{256, 512, 33, transpose_a, transpose_b}}) {
        CheckProduct<BFloat16, float>(shape, false);
        CheckProduct<BFloat16, float>(shape, true);
        CheckProduct<BFloat16, BFloat16>(shape, false);
      }
    }
  }
  const GemmShape wide{401, 419, 211, false, true}, deep{61, 67, 8209, true, false};
  CheckProduct<BFloat16, float>(wide, true);
  CheckProduct<BFloat16, float>(deep, true);
  CheckProduct<BFloat16, BFloat16>(wide, false);
  CheckProduct<BFloat16, BFloat16>(deep, false);
  EXPECT_THROW((CheckProduct<BFloat16, BFloat16>(wide, true)), Error);
}

// A bias and ReLU come before the only rounding: within it of the sum, also where the product is cut.
TEST(GemmTest, AddsABiasToBFloat16BeforeItRounds) {
  SKIP_WITHOUT_AVX512();
  for (const GemmShape& shape : {GemmShape{17, 5, 31, false, true}, GemmShape{3, 4, 0, false, false},
                                 GemmShape{401, 419, 211, false, true}, GemmShape{61, 67, 8209, true, false}}) {
    const std::vector<BFloat16> a = Draw<BFloat16>(shape.m * shape.k, 1), b = Draw<BFloat16>(shape.k * shape.n, 2),
                                bias = Draw<BFloat16>(shape.n, 3);
    const std::vector<float> sums = Product(shape, a, b, false, 0.0f);
    for (const bool relu : {false, true}) {
      std::vector<BFloat16> c(shape.m * shape.n);
      ParallelGemm(shape, a.data(), shape.transpose_a ? shape.m : shape.k, b.data(),
                   shape.transpose_b ? shape.k : shape.n, false, c.data(), shape.n, {bias.data(), relu});
      for (size_t i = 0; i < c.size(); ++i) {
        const double sum = static_cast<double>(sums[i]) + static_cast<double>(bias[i % shape.n]);
        // The two sums of at most k terms below 1/4 may be added in different orders.
        const double bound = testing::UnitRoundoff(kBFloat16) * (1 + 1e-3) * std::abs(sum) +
                             2 * testing::RoundingOfSum(kFloat32, shape.k + 2) * (0.25 * shape.k + 0.5);
        ASSERT_NEAR(static_cast<double>(c[i]), relu ? std::max(0.0, sum) : sum, bound) << i;
      }
    }
  }
}

// Strides of one and two KiB are replaced.
TEST(GemmTest, MatchesPlainSumsAtStridesThatCollide) {
  CheckProduct<float>({256, 512, 33, true, false}, false);
  CheckProduct<float>({512, 512, 129, true, false}, true);
  CheckProduct<double>({256, 512, 9, true, false}, false);
}

TEST(GemmTest, SameBitsForAnyThreadCount) {
  for (const GemmShape& shape : {GemmShape{401, 419, 211, false, true}, GemmShape{61, 67, 8209, true, false}}) {
    const std::vector<float> a = Draw<float>(shape.m * shape.k, 1), b = Draw<float>(shape.k * shape.n, 2);
    EXPECT_TRUE(testing::SameForThreadCounts([&] {
      return std::vector<Array>{Array::From({shape.m, shape.n}, Product(shape, a, b, false, 0.0f))};
    })) << shape.k
        << " terms";
  }
}

TEST(OneDnnTest, PrimitivesAreKeptByKey) {
  int made = 0;
  const auto make = [&] {
    ++made;
    return OneDnnPrimitive{};
  };
  const auto first = FindOrMakePrimitive({-1, 1}, make), again = FindOrMakePrimitive({-1, 1}, make),
             other = FindOrMakePrimitive({-1, 2}, make);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  EXPECT_EQ(made, 2);
  for (int64_t i = 0; i < 1100; ++i) FindOrMakePrimitive({-2, i}, make);
  EXPECT_EQ(made, 1102);
  FindOrMakePrimitive({-1, 1}, make);
  EXPECT_EQ(made, 1103) << "the least recently used primitive was not dropped";
}

TEST(OneDnnTest, KnowsItsReferenceCode) {
  EXPECT_TRUE(IsReferenceImplementation("ref:any"));
  EXPECT_TRUE(IsReferenceImplementation("simple:ref"));
  EXPECT_FALSE(IsReferenceImplementation("jit:avx2"));
}

}  // namespace
}  // namespace autograd::cpu
