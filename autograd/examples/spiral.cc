// Learns to tell the arms of a spiral apart, with nothing but //autograd and //nn.

#include <cmath>
#include <cstdio>

#include "autograd/autograd.h"
#include "nn/nn.h"

using namespace autograd;

struct Classifier {
  nn::Linear hidden, output;

  explicit Classifier(RandomKey key) : hidden(2, 64, {}, key.Split("hidden")), output(64, 3, {}, key.Split("output")) {}
  Variable operator()(const Variable& x) { return output(Gelu(hidden(x))); }
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("hidden", hidden);
    visitor.Field("output", output);
  }
};

int main() {
  std::vector<float> points;
  std::vector<uint8_t> arms;
  for (int i = 0; i < 900; ++i) {
    const float radius = 3.0f * static_cast<float>(i / 3) / 300,
                angle = radius * 1.6f + static_cast<float>(i % 3) * 2.0944f;
    points.insert(points.end(), {radius * std::cos(angle), radius * std::sin(angle)});
    arms.push_back(static_cast<uint8_t>(i % 3));
  }
  const Variable x(Array::From<float>({900, 2}, points));
  const Array labels = Array::From<uint8_t>({900}, arms);

  Classifier model(RandomKey(0));
  nn::AdamW optimizer(nn::GroupParameters(model));
  double loss_value = 0;
  for (int step = 0; step < 600; ++step) {
    Tape tape;
    const Variable loss = CrossEntropy(model(x), labels);
    tape.Backward(loss);
    optimizer.Step(0.02);
    optimizer.ClearGradients();
    loss_value = loss.Item();
    if (step % 100 == 0) std::printf("step %3d  loss %.3f\n", step, loss_value);
  }
  std::printf("final loss %.3f\n", loss_value);
  return loss_value < 0.1 ? 0 : 1;
}
