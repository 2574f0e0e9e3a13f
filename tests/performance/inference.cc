// Times the label maps of random images by a network on the CPU or a CUDA device: logits, enlarged to the images, and
// the best class of each pixel. Prints one line of JSON that compare_inference.py reads; --profile adds the kernels'
// shares on standard error.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "autograd/autograd.h"
#include "autograd/device/device.h"
#include "experiments/runner/network.h"
#include "experiments/runner/networks.h"
#include "nn/nn.h"
#include "tests/performance/clock_and_memory.h"

ABSL_FLAG(std::string, model, "sfpnext_nano", "a network by name (experiments/runner/networks.h)");
ABSL_FLAG(int, size, 512, "height and width of the images");
ABSL_FLAG(int, batch, 1, "images at once");
ABSL_FLAG(int, steps, 10, "passes that are timed");
ABSL_FLAG(int, warmup, 2, "passes before them");
ABSL_FLAG(std::string, device, "cpu", "cpu, cuda or cuda:N");
ABSL_FLAG(std::string, precision, "float32", "of the activations: float32 or bfloat16");
ABSL_FLAG(int, threads, 0, "CPU threads; 0 takes all cores");
ABSL_FLAG(int, classes, 59, "classes");
ABSL_FLAG(bool, profile, false, "print where the time goes");

namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

int Wrong(const std::string& message) {
  std::fprintf(stderr, "inference: %s\n", message.c_str());
  return 1;
}

int Main() {
  if (absl::GetFlag(FLAGS_threads) > 0) autograd::SetThreadCount(absl::GetFlag(FLAGS_threads));
  const int size = absl::GetFlag(FLAGS_size), batch = absl::GetFlag(FLAGS_batch);
  absl::StatusOr<std::unique_ptr<autograd::Stream>> stream = autograd::OpenStream(absl::GetFlag(FLAGS_device));
  if (!stream.ok()) return Wrong("--device: " + std::string(stream.status().message()));
  autograd::StreamScope scope(**stream);
  const std::string precision = absl::GetFlag(FLAGS_precision);
  if (precision != "float32" && precision != "bfloat16")
    return Wrong("--precision=" + precision + " is not float32 or bfloat16");
  const double memory_before = PeakMebibytes();
  const absl::StatusOr<std::unique_ptr<experiments::Network>> made =
      experiments::MakeNetwork(absl::GetFlag(FLAGS_model), absl::GetFlag(FLAGS_classes), RandomKey(0),
                               {.precision = precision == "bfloat16" ? autograd::kBFloat16 : autograd::kFloat32});
  if (!made.ok()) return Wrong("--model: " + std::string(made.status().message()));
  experiments::Network& network = **made;
  if (size % network.size_multiple() != 0)
    return Wrong("--size=" + std::to_string(size) + " is not a multiple of " + std::to_string(network.size_multiple()));

  std::vector<float> pixels(static_cast<size_t>(batch) * size * size * 3);
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(1), i).x) - 1;
  const Variable images(Array::From<float>({batch, size, size, 3}, pixels));

  const nn::EvaluationScope weights;
  std::vector<double> milliseconds;
  double sum = 0, profiled = 0;
  const int warmup = absl::GetFlag(FLAGS_warmup), steps = absl::GetFlag(FLAGS_steps);
  for (int step = 0; step < warmup + steps; ++step) {
    if (step == warmup && absl::GetFlag(FLAGS_profile)) autograd::Profiler::Enable(true);
    (*stream)->Synchronize();
    const double start = Now();
    const Variable logits = network.Logits(images, nn::Context());
    const std::vector<uint8_t> classes =
        autograd::ResizedArgMax(logits.array(), size, size, autograd::kUInt8).ToVector<uint8_t>();
    const double seconds = Now() - start;
    if (step >= warmup) milliseconds.push_back(1e3 * seconds), profiled += seconds;
    for (const uint8_t value : classes) sum += value;
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  std::printf(
      "{\"program\": \"ours\", \"precision\": \"%s\", \"model\": \"%s\", \"size\": %d, \"batch\": %d, \"threads\": %d, "
      "\"milliseconds_per_step\": %.2f, \"peak_memory_mib\": %.1f, \"memory_before_mib\": %.1f, \"mean_class\": "
      "%.4f}\n",
      precision.c_str(), absl::GetFlag(FLAGS_model).c_str(), size, batch, autograd::ThreadCount(), median,
      PeakMebibytes(), memory_before, sum / (static_cast<double>(warmup + steps) * batch * size * size));
  if (absl::GetFlag(FLAGS_profile)) std::fprintf(stderr, "%s", autograd::Profiler::Report(profiled).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Times the label maps of random images, for compare_inference.py.");
  absl::ParseCommandLine(argc, argv);
  try {
    return Main();
  } catch (const autograd::Error& error) {
    return Wrong(error.what());
  }
}
