#include "experiments/runner/execution.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>

#include "absl/strings/str_cat.h"
#include "autograd/collective/launch.h"
#include "autograd/device/device.h"
#include "autograd/ops/convolution_plans.h"
#include "autograd/runtime/allocator.h"
#include "autograd/runtime/parallel.h"

namespace experiments {

using autograd::Array;

void ExecutionOptions::Settings(SettingVisitor& visitor) {
  visitor.Group("Execution");
  visitor.Setting("device", device, "cpu, cuda or cuda:N").Role(SettingRole::kFree);
  visitor.Setting("threads", threads, "of the CPU; 0: all cores", AtLeast(0)).Role(SettingRole::kFree);
  visitor.Setting("measure_plans", measure_plans, "on CUDA, time cuDNN's plans and take the fastest")
      .Role(SettingRole::kFree);
}

absl::StatusOr<std::unique_ptr<Execution>> Execution::Open(const ExecutionOptions& options) {
  if (options.threads > 0) autograd::SetThreadCount(options.threads);
  if (options.measure_plans) autograd::SetConvolutionPlans(autograd::ConvolutionPlans::kMeasured);
  const absl::StatusOr<std::optional<autograd::LaunchedRank>> launched = autograd::FindLaunchedRank();
  if (!launched.ok()) return launched.status();
  if (launched->has_value() && !(*launched)->note.empty()) std::cerr << "note: " << (*launched)->note << "\n";
  std::string device = options.device;
  if (launched->has_value() && device == "cuda") {
    const int visible = autograd::CudaDeviceCount(), local_rank = (*launched)->local_rank;
    const int index = autograd::CudaDeviceOfRank(**launched, visible);
    if (visible > 1 && local_rank >= visible) {
      std::cerr << "note: rank " << local_rank << " of this machine sees " << visible
                << " GPUs and takes cuda:" << index << "\n";
    }
    absl::StrAppend(&device, ":", index);
  }
  absl::StatusOr<std::unique_ptr<autograd::Stream>> stream = autograd::OpenStream(device);
  if (!stream.ok()) return WrongFlag(absl::StrCat("--device: ", stream.status().message()));
  std::unique_ptr<Execution> execution(new Execution(*std::move(stream)));
  absl::StatusOr<std::unique_ptr<autograd::Collective>> world = autograd::OpenWorld(*execution->stream_, *launched);
  if (!world.ok()) return world.status();
  execution->collective_ = *std::move(world);
  if (!execution->first_rank() && std::freopen("/dev/null", "w", stdout) == nullptr)
    return absl::InternalError("cannot silence this rank");
  return execution;
}

absl::Status RunOnRank(autograd::Collective& collective, const std::function<absl::Status()>& body) {
  const int ranks = collective.world_size();
  if (ranks == 1) return body();
  std::string error;
  int exit_code = 1;
  try {
    const absl::Status status = body();
    if (status.ok() || status.code() == absl::StatusCode::kCancelled) return status;  // all ranks stop together
    error = std::string(status.message());
    if (IsWrongFlag(status)) exit_code = 2;
  } catch (const std::exception& thrown) {  // an Error of ours, or a lack of memory
    error = absl::StrCat("internal error: ", thrown.what());
    exit_code = 3;
  }
  std::fflush(stdout);
  std::cerr << "\nrank " << collective.rank() << " of " << ranks << ": " << error << std::endl;
  collective.Abort(exit_code);
  return absl::InternalError(error);  // never: g++ does not see that a virtual function is [[noreturn]]
}

std::string Execution::Description() const {
  const autograd::Device device = stream_->device();
  std::string text =
      device.type == autograd::DeviceType::kCpu
          ? absl::StrCat("cpu, ", autograd::ThreadCount(), autograd::ThreadCount() == 1 ? " thread" : " threads")
          : absl::StrCat("cuda:", device.index);
  if (collective_->world_size() > 1) absl::StrAppend(&text, ", ", collective_->world_size(), " ranks");
  return text;
}

absl::StatusOr<std::string> FromFirstRank(autograd::Collective& collective,
                                          const std::function<absl::StatusOr<std::string>()>& make) {
  if (collective.world_size() == 1) return make();
  autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
  absl::StatusOr<std::string> made = std::string();
  if (collective.rank() == 0) made = make();
  std::string text = made.ok() ? *made : std::string(made.status().message());
  // The status code and the length, then the bytes.
  Array header =
      Array::From<int64_t>({2}, {static_cast<int64_t>(made.status().code()), static_cast<int64_t>(text.size())});
  collective.Broadcast(header, 0);
  const std::vector<int64_t> values = header.ToVector<int64_t>();
  text.resize(values[1]);
  Array bytes = Array::FromHost({values[1]}, autograd::kUInt8, text.data());
  collective.Broadcast(bytes, 0);
  bytes.CopyToHost(text.data());
  if (values[0] != 0) return absl::Status(static_cast<absl::StatusCode>(values[0]), text);
  return text;
}

bool OnAnyRank(autograd::Collective& collective, bool here) {
  if (collective.world_size() == 1) return here;
  autograd::OperationScope scope("OnAnyRank");
  double ranks[1] = {here ? 1.0 : 0.0};
  collective.AllReduceSum(ranks);
  return ranks[0] > 0;
}

void AverageOverRanks(autograd::Collective& collective, std::span<double> values) {
  if (collective.world_size() == 1) return;
  autograd::OperationScope scope("AverageOverRanks");
  collective.AllReduceSum(values);
  for (double& value : values) value /= collective.world_size();
}

}  // namespace experiments
