#include "seg/continual/local_pod.h"

#include <algorithm>
#include <cmath>

#include "autograd/core/dims.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/norm_operands.h"
#include "autograd/ops/reduce.h"
#include "seg/continual/local_pod_kernels.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Stream;
using autograd::Variable;

PodScales Checked(const char* operation, const Array& map, const std::vector<int>& scales) {
  Require(!scales.empty() && scales.size() <= PodScales::kMost, operation, scales.size(), " scales");
  PodScales checked;
  for (const int scale : scales) {
    Require(scale >= 1 && scale <= std::min(map.shape()[1], map.shape()[2]), operation, "scale ", scale, " of a map ",
            map.shape());
    checked.scale[checked.count++] = scale;
  }
  return checked;
}

// Means of map² − other²; those of map² without `other`.
Array Means(const Array& map, const Array& other, const PodScales& scales) {
  const PodGeometry geometry(scales, map.shape()[1], map.shape()[2]);
  Array means = Array::Empty({map.shape()[0], geometry.means, map.shape()[3]}, autograd::StatisticsType(map.dtype()));
  kernels::LocalPodMeans(Stream::Current(), map, other, scales, means);
  return means;
}

}  // namespace

Array LocalPodEmbedding(const Array& map, const std::vector<int>& scales) {
  autograd::Dims dims("LocalPodEmbedding");
  dims.Match(map, "map: n h w c").Floating(map);
  return Means(map, {}, Checked(dims.operation(), map, scales));
}

Variable LocalPod(const Variable& new_map, const Array& old_map, const std::vector<int>& scales) {
  autograd::Dims dims("LocalPod");
  dims.Match(new_map, "new_map: n h w c").Match(old_map, "old_map: n h w c").SameType(new_map.array(), old_map);
  dims.Floating(old_map);
  Require(dims["n"] >= 1, dims.operation(), "no images: ", old_map.shape());
  const PodScales checked = Checked(dims.operation(), old_map, scales);

  // The embedding is linear in the squares, so the difference is that of theirs.
  const Array difference = Means(new_map.array(), old_map, checked);
  const Array distances = autograd::SquareRoot(autograd::Sum(autograd::Square(Variable(difference)), {1, 2})).array();
  const Array mean = autograd::Mean(Variable(distances)).array();

  return autograd::Record("LocalPod", mean, {new_map}, autograd::Saved{new_map.array(), difference, distances},
                          [checked](const autograd::Saved& saved, const Array& dy, autograd::Wanted) {
                            Array dmap = autograd::EmptyLike(saved[0]);
                            kernels::LocalPodGradient(Stream::Current(), saved[0], saved[1], saved[2], dy, checked,
                                                      dmap);
                            return autograd::Gradients{dmap};
                          });
}

Variable FoldNewLogits(const Variable& logits, int64_t old_classes) {
  constexpr char kOperation[] = "FoldNewLogits";
  const int64_t classes = logits.shape()[-1];
  Require(old_classes >= 1 && old_classes <= classes, kOperation, old_classes, " old classes in logits ",
          logits.shape());
  if (old_classes == classes) return logits;
  const std::vector<Variable> parts = autograd::Split(logits, -1, {1, old_classes - 1, classes - old_classes});
  return autograd::Concatenate({parts[0] + autograd::Sum(parts[2], {-1}, /*keep_axes=*/true), parts[1]}, -1);
}

Variable PlopDistillation(std::span<const Variable> new_maps, const Variable& new_logits,
                          std::span<const Array> old_maps, const Array& old_logits,
                          const PlopDistillationOptions& options) {
  autograd::Dims dims("PlopDistillation");
  dims.Match(new_logits, "new_logits: n h w seen").Match(old_logits, "old_logits: n h w old");
  Require(new_maps.size() == old_maps.size(), dims.operation(), new_maps.size(), " new maps but ", old_maps.size(),
          " old ones");
  Require(dims["old"] >= 1 && dims["seen"] > dims["old"], dims.operation(), "no new classes: new_logits ",
          new_logits.shape(), ", old_logits ", old_logits.shape());

  Variable sum = options.logits_weight * LocalPod(FoldNewLogits(new_logits, dims["old"]), old_logits, options.scales);
  for (size_t m = 0; m < new_maps.size(); ++m) {
    const Variable distance = LocalPod(new_maps[m], old_maps[m], options.scales);
    Require(distance.dtype() == sum.dtype(), dims.operation(), "map ", m, " is ", new_maps[m].dtype(),
            " but the logits are ", new_logits.dtype());
    sum = sum + options.map_weight * distance;
  }
  const double seen = static_cast<double>(dims["seen"]), added = seen - static_cast<double>(dims["old"]);
  return std::sqrt(seen / added) / static_cast<double>(new_maps.size() + 1) * sum;
}

}  // namespace seg
