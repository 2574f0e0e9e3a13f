#include "tests/golden/golden_file.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "autograd/runtime/error.h"
#include "nn/checkpoints/layouts.h"
#include "nn/checkpoints/weights.h"

namespace golden {

File::File(const std::string& path) : file_(nn::SafetensorsFile::Open(path)) {
  autograd::Require(file_.ok(), "golden::File", file_.status().message());
}

const nn::TensorInfo& File::Info(const std::string& name) const {
  const nn::TensorInfo* tensor = file_->Find(name);
  autograd::Require(tensor != nullptr, "golden::File", "no tensor of ", file_->path(), " is called ", name);
  return *tensor;
}

autograd::Array File::Read(const std::string& name) const {
  const nn::TensorInfo& tensor = Info(name);
  const absl::StatusOr<std::string> bytes = file_->Read(tensor);
  autograd::Require(bytes.ok(), "golden::File", bytes.status().message());
  if (tensor.dtype == "U8")
    return autograd::Array::FromHost(autograd::Shape(tensor.shape), autograd::kUInt8, bytes->data());
  autograd::Require(tensor.dtype == "F32", "golden::File", name, " is ", tensor.dtype);
  if (tensor.shape.size() != 4)
    return autograd::Array::FromHost(autograd::Shape(tensor.shape), autograd::kFloat32, bytes->data());
  const autograd::Shape shape{tensor.shape[0], tensor.shape[2], tensor.shape[3], tensor.shape[1]};
  const std::string channels_last = nn::FromPublic(*bytes, nn::Layout::kConv2d, shape, 4);
  return autograd::Array::FromHost(shape, autograd::kFloat32, channels_last.data());
}

std::string File::Metadata(const std::string& name) const {
  const auto found = file_->metadata().find(name);
  return found == file_->metadata().end() ? "" : found->second;
}

void File::Load(const std::string& prefix, const std::vector<std::string>& parts, const nn::ModuleReference& network,
                size_t count) const {
  const auto rename = [&](const std::string& name) -> std::string {
    if (!absl::StartsWith(name, prefix)) return "";
    const std::string rest = name.substr(prefix.size());
    const bool wanted =
        std::any_of(parts.begin(), parts.end(), [&](const std::string& part) { return absl::StartsWith(rest, part); });
    return wanted ? rest : "";
  };
  const absl::StatusOr<nn::LoadReport> report =
      nn::LoadWeights(file_->path(), network, {.strict = false, .rename = rename});
  autograd::Require(report.ok(), "golden::File", report.status().message());
  autograd::Require(report->loaded.size() == count && report->mismatched.empty() && report->unexpected.empty(),
                    "golden::File", file_->path(), ", names that begin with '", prefix, "': ", report->ToString());
}

}  // namespace golden
