#include "nn/checkpoints/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/checkpoints/convert.h"
#include "nn/checkpoints/layouts.h"

namespace nn {
namespace {

// A parameter or a buffer.
struct Entry {
  std::string name;
  Layout layout;
  Array* array;
  Parameter* parameter;  // null for a buffer
};

std::vector<Entry> EntriesOf(const ModuleReference& module) {
  std::vector<Entry> entries;
  for (const NamedParameter& named : NamedParameters(module)) {
    entries.push_back({named.name, named.layout, &named.parameter->mutable_value(), named.parameter});
  }
  for (const NamedBuffer& named : NamedBuffers(module)) {
    entries.push_back({named.name, Layout::kPlain, named.array, nullptr});
  }
  return entries;
}

bool IsOptional(absl::string_view name) {
  return name == "num_batches_tracked" || absl::EndsWith(name, ".num_batches_tracked");
}

std::string ShapeText(const std::vector<int64_t>& shape) { return absl::StrCat("(", absl::StrJoin(shape, ", "), ")"); }

void Overwrite(Array& array, const std::string& bytes) {
  autograd::Stream& current = autograd::Stream::Current();
  autograd::Stream& stream = array.device() == current.device() ? current : autograd::Stream::Cpu();
  if (!bytes.empty()) stream.CopyFromHost(array.raw(), bytes.data(), bytes.size());
}

std::string BytesOf(const Array& array) {
  std::string bytes(array.bytes(), '\0');
  array.CopyToHost(bytes.data());
  return bytes;
}

void AppendList(std::string& text, absl::string_view title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  absl::StrAppend(&text, title, ":\n");
  for (const std::string& name : names) absl::StrAppend(&text, "  ", name, "\n");
}

}  // namespace

Rename RenamePrefixes(std::vector<PrefixRename> renames) {
  return [renames = std::move(renames)](const std::string& name) -> std::string {
    for (const PrefixRename& rename : renames) {
      if (!absl::StartsWith(name, rename.from)) continue;
      return rename.to == nullptr ? "" : rename.to + name.substr(rename.from.size());
    }
    return name;
  };
}

std::string LoadReport::ToString() const {
  std::string text = absl::StrCat("loaded ", loaded.size(), " tensors, ", missing.size(), " missing, ",
                                  mismatched.size(), " of another shape or type, ", unexpected.size(), " unexpected\n");
  AppendList(text, "missing from the file", missing);
  AppendList(text, "of another shape or type", mismatched);
  AppendList(text, "unexpected in the file", unexpected);
  return text;
}

absl::StatusOr<LoadReport> LoadWeights(const std::string& path, const ModuleReference& module,
                                       const LoadOptions& options) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();

  std::map<std::string, const TensorInfo*> stored;
  for (const TensorInfo& tensor : file->tensors()) {
    const std::string name = options.rename ? options.rename(tensor.name) : tensor.name;
    if (name.empty()) continue;
    const auto [other, inserted] = stored.emplace(name, &tensor);
    if (!inserted) {
      return absl::InvalidArgumentError(absl::StrCat("'", path, "': tensors '", other->second->name, "' and '",
                                                     tensor.name, "' are both renamed to '", name, "'"));
    }
  }

  LoadReport report;
  std::vector<std::pair<Entry, const TensorInfo*>> matched;
  for (const Entry& entry : EntriesOf(module)) {
    const auto found = stored.find(entry.name);
    if (found == stored.end()) {
      if (!IsOptional(entry.name)) report.missing.push_back(entry.name);
      continue;
    }
    const TensorInfo& tensor = *found->second;
    stored.erase(found);
    if (!HoldsParameter(tensor.shape, entry.layout, entry.array->shape()) ||
        !CanConvert(tensor.dtype, entry.array->dtype())) {
      report.mismatched.push_back(absl::StrCat(entry.name, ": file ", ShapeText(tensor.shape), " ", tensor.dtype,
                                               ", model ", ShapeText(PublicShape(entry.layout, entry.array->shape())),
                                               " ", SafetensorsName(entry.array->dtype())));
      continue;
    }
    report.loaded.push_back(entry.name);
    matched.emplace_back(entry, &tensor);
  }
  for (const auto& [name, tensor] : stored) {
    if (!IsOptional(name)) report.unexpected.push_back(name);
  }
  if (options.strict && !report.complete()) {
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' does not fit the model: ", report.ToString()));
  }

  for (const auto& [entry, tensor] : matched) {
    const absl::StatusOr<std::string> bytes = file->Read(*tensor);
    if (!bytes.ok()) return bytes.status();
    const autograd::DType dtype = entry.array->dtype();
    Overwrite(*entry.array, FromPublic(Convert(*bytes, tensor->dtype, dtype), entry.layout, entry.array->shape(),
                                       autograd::SizeOf(dtype)));
    if (entry.parameter != nullptr) entry.parameter->Changed();
  }
  return report;
}

absl::Status SaveWeights(const std::string& path, const ModuleReference& module, const Metadata& metadata) {
  std::vector<TensorSource> tensors;
  for (const Entry& entry : EntriesOf(module)) {
    const Array& array = *entry.array;
    tensors.push_back({entry.name, SafetensorsName(array.dtype()), PublicShape(entry.layout, array.shape()), [entry] {
                         const Array& source = *entry.array;
                         return ToPublic(BytesOf(source), entry.layout, source.shape(),
                                         autograd::SizeOf(source.dtype()));
                       }});
  }
  return WriteSafetensors(path, std::move(tensors), metadata);
}

}  // namespace nn
