#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/runtime/parallel.h"
#include "autograd/runtime/random.h"
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

template <typename T>
std::vector<T> Product(const GemmShape& shape, const std::vector<T>& a, const std::vector<T>& b, bool accumulate,
                       T initial) {
  std::vector<T> c(shape.m * shape.n, initial);
  ParallelGemm(shape, a.data(), shape.transpose_a ? shape.m : shape.k, b.data(), shape.transpose_b ? shape.k : shape.n,
               accumulate, c.data(), shape.n);
  return c;
}

// Every element against a plain sum in double, which rounds as a double product does. Each term is rounded as a product
// and in at most k additions.
template <typename T>
void CheckProduct(const GemmShape& shape, bool accumulate) {
  const double rounding =
      testing::RoundingOfSum(DTypeOf<T>::value, shape.k + 1) + testing::RoundingOfSum(kFloat64, shape.k + 1);
  const std::vector<T> a = Draw<T>(shape.m * shape.k, 1), b = Draw<T>(shape.k * shape.n, 2);
  const T initial = T(0.25);
  const std::vector<T> c = Product(shape, a, b, accumulate, initial);
  for (int64_t i = 0; i < shape.m; ++i) {
    for (int64_t j = 0; j < shape.n; ++j) {
      double sum = accumulate ? 0.25 : 0, magnitude = sum;
      for (int64_t l = 0; l < shape.k; ++l) {
        const double term = static_cast<double>(a[shape.transpose_a ? l * shape.m + i : i * shape.k + l]) *
                            static_cast<double>(b[shape.transpose_b ? j * shape.k + l : l * shape.n + j]);
        sum += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(c[i * shape.n + j], sum, rounding * magnitude)
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

// Strides of one and two KiB are replaced.
TEST(GemmTest, MatchesPlainSumsAtStridesThatCollide) {
  CheckProduct<float>({256, 512, 33, true, false}, false);
  CheckProduct<float>({512, 512, 129, true, false}, true);
  CheckProduct<double>({256, 512, 9, true, false}, false);
}

TEST(GemmTest, SameBitsForAnyThreadCount) {
  const int before = ThreadCount();
  for (const GemmShape& shape : {GemmShape{401, 419, 211, false, true}, GemmShape{61, 67, 8209, true, false}}) {
    const std::vector<float> a = Draw<float>(shape.m * shape.k, 1), b = Draw<float>(shape.k * shape.n, 2);
    SetThreadCount(1);
    const std::vector<float> alone = Product(shape, a, b, false, 0.0f);
    SetThreadCount(3);
    EXPECT_EQ(alone, Product(shape, a, b, false, 0.0f));
  }
  SetThreadCount(before);
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
