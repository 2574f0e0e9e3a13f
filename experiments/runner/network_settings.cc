#include "experiments/runner/network_settings.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/ops/matmul.h"
#include "autograd/runtime/stream.h"
#include "experiments/runner/networks.h"
#include "experiments/settings/enum_text.h"
#include "nn/checkpoints/weights.h"

namespace experiments {
namespace {

constexpr EnumText<autograd::DType> kPrecisions[] = {{autograd::kFloat32, "float32"},
                                                     {autograd::kBFloat16, "bfloat16"}};

void PrintReport(const char* what, const std::string& path, const nn::LoadReport& report) {
  std::printf("  %s %s\n", what, path.c_str());
  std::string text = report.ToString(), indented = "    ";
  for (char c : text) {
    indented.push_back(c);
    if (c == '\n') indented += "    ";
  }
  std::printf("%s\n", indented.c_str());
}

// Whoever asks for bfloat16 expects speed. Once a program, as rows of a table share the setting.
void SayWhatBFloat16Saves() {
  static const bool said = [] {
    if (autograd::Stream::Current().device().type != autograd::DeviceType::kCpu || autograd::CpuMultipliesBFloat16())
      return false;
    std::printf(
        "--precision=bfloat16 saves memory here, not time: this CPU has no products of bfloat16 (AVX512-BF16, AMX)\n");
    return true;
  }();
  static_cast<void>(said);
}

}  // namespace

template <>
struct SettingText<autograd::DType> {
  static bool Parse(absl::string_view text, autograd::DType& value, std::string& error) {
    return ParseEnum(text, kPrecisions, &value, &error);
  }
  static std::string Print(autograd::DType value) { return PrintEnum(value, kPrecisions); }
};

void NetworkSettings::Settings(SettingVisitor& visitor) {
  visitor.Group("Network");
  visitor.Setting("model", model, "sfpnext_nano, deeplabv3_resnet101, fcn_…, pspnet_…, segformer_… or …_micro (docs)");
  visitor.Path("init_weights", init_weights, "public weights of the encoder (timm, torchvision, …)");
  visitor.Path("cold_start", cold_start, "weights of a whole network; every tensor that fits is taken");
  visitor.Setting("precision", precision, "of the activations: float32 or bfloat16");
  visitor.Setting("drop_path", drop_path, "stochastic depth of the last block; default: as published", Below(0, 1));
}

absl::StatusOr<std::unique_ptr<Network>> StartNetwork(const NetworkSettings& settings, const data::DatasetInfo& info,
                                                      const RunContext& context, bool auxiliary_head,
                                                      const std::optional<LatentSettings>& latent) {
  if (settings.precision == autograd::kBFloat16) SayWhatBFloat16Saves();
  absl::StatusOr<std::unique_ptr<Network>> made =
      MakeNetwork(settings.model, info.num_classes(), context.key.Split("weights"),
                  {.precision = settings.precision,
                   .drop_path = settings.drop_path,
                   .auxiliary_head = auxiliary_head,
                   .latent = latent.has_value() ? std::optional(latent->config) : std::nullopt});
  if (!made.ok()) return WrongFlag(absl::StrCat("--model: ", made.status().message()));
  Network& network = **made;
  if (latent.has_value()) network.latent()->inference = latent->inference;
  if (!settings.init_weights.empty()) {
    absl::StatusOr<nn::LoadReport> report = network.LoadEncoder(settings.init_weights);
    if (!report.ok())
      return absl::Status(report.status().code(), absl::StrCat("--init_weights: ", report.status().message()));
    PrintReport("encoder weights from", settings.init_weights, *report);
  }
  const std::string& start = context.start_weights.empty() ? settings.cold_start : context.start_weights;
  if (!start.empty()) {
    absl::StatusOr<nn::LoadReport> report = LoadTrainedWeights(start, network, {.strict = false});
    if (!report.ok())
      return absl::Status(report.status().code(), absl::StrCat("--cold_start: ", report.status().message()));
    if (report->loaded.empty())
      return absl::InvalidArgumentError(absl::StrCat("--cold_start: no tensor of ", start, " fits the network",
                                                     report->hint.empty() ? "" : "; ", report->hint));
    PrintReport("cold start from", start, *report);
  }
  return made;
}

absl::Status CheckTrainingShape(Network& network, const TrainingOptions& training, const OpenedData& data,
                                const autograd::Collective& collective) {
  const int64_t images = data.training->size(), together = int64_t{training.batch_size} * collective.world_size();
  if (images < together)
    return WrongFlag(absl::StrCat("--batch_size=", training.batch_size, ": ", data.training->info().name, " has ",
                                  images, images == 1 ? " training image" : " training images", ", fewer than the ",
                                  together, " of a step", collective.world_size() > 1 ? " of all ranks" : ""));
  const absl::Status status =
      network.CheckTrainingShape(training.batch_size, data.crop_height, data.crop_width, collective.world_size());
  return status.ok() ? status : WrongFlag(status.message());
}

NetworkDescription Describe(const NetworkSettings& settings, const DataOptions& options, const OpenedData& data) {
  NetworkDescription description;
  description.model = settings.model;
  description.precision = settings.precision;
  description.info = data.validation->info();
  description.data = options;
  description.inference = data.inference;
  return description;
}

absl::Status KeepNetwork(Network& network, const NetworkDescription& description, const RunContext& context,
                         const RunRecord& record) {
  if (record.interrupted || !context.first_rank()) return absl::OkStatus();
  if (absl::Status status = SaveNetwork(absl::StrCat(context.folder, "/weights.safetensors"), network, description);
      !status.ok())
    return status;
  std::printf("  %s:", context.label.c_str());
  for (const Score& score : record.scores) std::printf(" %s %.2f %%,", score.name.c_str(), 100 * score.value);
  std::printf(" %.0f s, %.0f images/s\n", record.seconds, record.images_per_second);
  if (!record.learner_summary.empty()) std::printf("    %s\n", record.learner_summary.c_str());
  for (const TrafficOfAStep& traffic : record.traffic) {
    std::printf("    a step brings %.0f bytes in %.2f calls to %s\n", traffic.bytes, traffic.calls,
                traffic.operation.c_str());
  }
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace experiments
