#include "experiments/runner/curves.h"

#include <algorithm>

namespace experiments {

std::vector<CurvePoint>& PointsOf(std::vector<Curve>& curves, const std::string& name) {
  for (Curve& curve : curves) {
    if (curve.name == name) return curve.points;
  }
  return curves.emplace_back(Curve{name, {}}).points;
}

const Curve* FindCurve(const std::vector<Curve>& curves, const std::string& name) {
  const auto found = std::find_if(curves.begin(), curves.end(), [&](const Curve& curve) { return curve.name == name; });
  return found == curves.end() ? nullptr : &*found;
}

const Score* FindScore(const std::vector<Score>& scores, const std::string& name) {
  const auto found = std::find_if(scores.begin(), scores.end(), [&](const Score& score) { return score.name == name; });
  return found == scores.end() ? nullptr : &*found;
}

}  // namespace experiments
