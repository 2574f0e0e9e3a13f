#pragma once

// Named numbers of a run: those of its steps, and those of its evaluations.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace experiments {

// What a protocol measures, such as {"mIoU", 0.678}: a share, shown in per cent.
struct Score {
  std::string name;
  double value;
};

// Numbers shown and logged of a step, such as {"reward", 0.71}.
using NamedValues = std::vector<std::pair<std::string, double>>;

// What an optimizer step came to.
struct StepNumbers {
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  NamedValues values;  // of the objective
};

struct CurvePoint {
  int64_t step;
  double value;
};

struct Curve {
  std::string name;
  std::vector<CurvePoint> points;
};

struct TrainingCurves {
  std::vector<Curve> training;    // "loss" and the objective's values
  std::vector<Curve> validation;  // scores
};

// The points of the curve of that name, made when there is none.
std::vector<CurvePoint>& PointsOf(std::vector<Curve>& curves, const std::string& name);
// Null when there is none.
const Curve* FindCurve(const std::vector<Curve>& curves, const std::string& name);
const Score* FindScore(const std::vector<Score>& scores, const std::string& name);

}  // namespace experiments
