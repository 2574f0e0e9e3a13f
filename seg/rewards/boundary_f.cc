#include "seg/rewards/boundary_f.h"

#include <cmath>
#include <limits>

#include "autograd/core/dims.h"
#include "seg/rewards/boundary_f_kernels.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Stream;

Disc DiscOf(const BoundaryFOptions& options, int64_t height, int64_t width) {
  const double diagonal = std::hypot(static_cast<double>(height), static_cast<double>(width));
  const double radius = options.pixels.value_or(options.share_of_diagonal * diagonal);
  Require(radius >= 0, "BoundaryF", "the tolerance is ", radius, " pixels");
  // Nothing in the image is further away than its diagonal, which also keeps squares small. Squared distances are whole
  // numbers, and a radius that is whole but for rounding (0.0075 of 800 pixels) reaches what it should.
  constexpr double kMostPixels = 32000;
  const double reached = std::fmin(radius, std::fmin(diagonal, kMostPixels)) * (1 + 1e-12);
  const double limit = std::floor(reached * reached);
  return {static_cast<int32_t>(limit), static_cast<int32_t>(std::sqrt(limit))};
}

}  // namespace

Array BoundaryF(const Array& maps, const Array& labels, int classes, const BoundaryFOptions& options) {
  autograd::Dims dims("BoundaryF");
  dims.Match(maps, "maps: n b h w").Is(maps, autograd::kUInt8, "maps");
  dims.Match(labels, "labels: b h w").Is(labels, autograd::kUInt8, "labels").SameType(maps, labels);
  Require(classes >= 1 && classes <= kVoid, dims.operation(), classes, " classes");
  Require(dims["h"] * dims["w"] <= std::numeric_limits<int32_t>::max(), dims.operation(), "labels ", labels.shape());
  const Disc disc = DiscOf(options, dims["h"], dims["w"]);

  Stream& stream = Stream::Current();
  const Array truth = labels.Reshape({1, dims["b"], dims["h"], dims["w"]});
  Array map_boundaries = autograd::EmptyLike(maps), true_boundaries = autograd::EmptyLike(truth);
  kernels::MarkBoundaries(stream, truth, labels, classes, true_boundaries);
  kernels::MarkBoundaries(stream, maps, labels, classes, map_boundaries);
  Array scores = Array::Empty({dims["n"], dims["b"]}, autograd::kFloat32);
  kernels::BoundaryF(stream, map_boundaries, true_boundaries, classes, disc, options.set, scores);
  return scores;
}

}  // namespace seg
