#include "nn/checkpoints/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nn/checkpoints/convert.h"
#include "nn/checkpoints/layouts.h"
#include "nn/checkpoints/names.h"

namespace nn {
namespace {

// A parameter or a buffer.
struct Entry {
  std::string name;
  Layout layout;
  const Array* array;
  Parameter* parameter;  // null for a buffer
  Array* buffer;         // null for a parameter
  Array& mutable_array() const { return parameter != nullptr ? parameter->mutable_value() : *buffer; }
};

std::vector<Entry> EntriesOf(const ModuleReference& module) {
  std::vector<Entry> entries;
  for (const NamedParameter& named : NamedParameters(module)) {
    entries.push_back({named.name, named.layout, &named.parameter->value(), named.parameter, nullptr});
  }
  for (const NamedBuffer& named : NamedBuffers(module)) {
    entries.push_back({named.name, Layout::kPlain, named.array, nullptr, named.array});
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

constexpr size_t kListed = 10;  // names in a list for people

void AppendList(std::string& text, absl::string_view title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  absl::StrAppend(&text, title, ":\n");
  for (size_t i = 0; i < std::min(names.size(), kListed); ++i) absl::StrAppend(&text, "  ", names[i], "\n");
  if (names.size() > kListed) absl::StrAppend(&text, "  … and ", names.size() - kListed, " more\n");
}

// The tensors of a file under the names that the model may know.
struct StoredTensors {
  std::map<std::string, const TensorInfo*> tensors;
  std::string collision;  // what is wrong if two have one name
};

StoredTensors Renamed(const std::vector<std::string>& names, const std::vector<const TensorInfo*>& tensors,
                      const Rename& rename) {
  StoredTensors stored;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = rename ? rename(names[i]) : names[i];
    if (name.empty()) continue;
    const auto [other, inserted] = stored.tensors.emplace(name, tensors[i]);
    if (!inserted && stored.collision.empty()) {
      stored.collision = absl::StrCat("tensors '", other->second->name, "' and '", tensors[i]->name,
                                      "' are both renamed to '", name, "'");
    }
  }
  return stored;
}

// An error if an element of converted floats is not finite.
absl::Status CheckFinite(const std::string& path, const std::string& name, const std::string& bytes,
                         autograd::DType dtype) {
  const int64_t place = FirstNotFinite(bytes, dtype);
  if (place < 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", path, "': tensor '", name, "' holds a value that is not finite (",
                                                 "element ", place, ", as ", SafetensorsName(dtype),
                                                 "): such weights are refused"));
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
  if (!unwrapped.empty()) absl::StrAppend(&text, "names were taken without '", unwrapped, "'\n");
  if (!hint.empty()) absl::StrAppend(&text, hint, "\n");
  AppendList(text, "missing from the file", missing);
  AppendList(text, "of another shape or type", mismatched);
  AppendList(text, "unexpected in the file", unexpected);
  return text;
}

absl::StatusOr<LoadReport> LoadWeights(const std::string& path, const ModuleReference& module,
                                       const LoadOptions& options) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();

  std::vector<const TensorInfo*> tensors;
  UnwrappedNames names;
  for (const TensorInfo& tensor : file->tensors()) {
    if (!absl::StartsWith(tensor.name, options.prefix)) continue;
    tensors.push_back(&tensor);
    names.names.push_back(tensor.name.substr(options.prefix.size()));
  }
  if (tensors.empty() && !options.prefix.empty())
    return absl::NotFoundError(absl::StrCat("'", path, "' has no tensor below '", options.prefix, "'"));

  const std::vector<Entry> entries = EntriesOf(module);
  std::vector<std::string> required;
  for (const Entry& entry : entries) {
    if (!IsOptional(entry.name)) required.push_back(entry.name);
  }
  const int wanted = static_cast<int>(required.size());
  const CountMatches count = [&](const std::vector<std::string>& candidate) {
    // Which tensor a name is of does not matter for this, but that it is one's alone does.
    std::set<std::string> known;
    for (const std::string& name : candidate) {
      std::string renamed = options.rename ? options.rename(name) : name;
      if (!renamed.empty() && !known.insert(std::move(renamed)).second) return -1;
    }
    return static_cast<int>(std::count_if(required.begin(), required.end(),
                                          [&](const std::string& name) { return known.count(name) > 0; }));
  };
  names = UnwrapNames(names.names, count, wanted);
  StoredTensors renamed = Renamed(names.names, tensors, options.rename);
  if (!renamed.collision.empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "': ", renamed.collision));
  std::map<std::string, const TensorInfo*>& stored = renamed.tensors;

  LoadReport report;
  report.unwrapped = names.wrappers;
  std::vector<std::pair<Entry, const TensorInfo*>> matched;
  for (const Entry& entry : entries) {
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
  if (!report.missing.empty() && !report.unexpected.empty()) {
    const std::string unknown = UnknownPrefix(names.names, count, wanted);
    const bool nothing_fits = report.loaded.empty() && report.mismatched.empty();
    const std::string lacking = nothing_fits ? LackingPrefix(report.unexpected, report.missing) : "";
    if (!unknown.empty()) {
      report.hint =
          absl::StrCat("the tensors of the model are there, behind the prefix '", unknown, "' of the file's names");
    } else if (!lacking.empty()) {
      report.hint =
          absl::StrCat("the tensors of the file are in the model, behind the prefix '", lacking, "' of its names");
    }
  }
  if (options.strict && !report.complete()) {
    if (!report.hint.empty()) {
      return absl::FailedPreconditionError(absl::StrCat("'", path, "' does not fit the model: ", report.hint, " (",
                                                        report.missing.size(), " missing, ", report.unexpected.size(),
                                                        " unexpected)"));
    }
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' does not fit the model: ", report.ToString()));
  }

  // Everything is read and checked before anything is changed; the second time it comes from the page cache.
  const auto read = [&file](const Entry& entry, const TensorInfo& tensor) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> bytes = file->Read(tensor);
    if (!bytes.ok()) return bytes;
    return Convert(*bytes, tensor.dtype, entry.array->dtype());
  };
  for (const auto& [entry, tensor] : matched) {
    const absl::StatusOr<std::string> bytes = read(entry, *tensor);
    if (!bytes.ok()) return bytes.status();
    const absl::Status status = CheckFinite(path, tensor->name, *bytes, entry.array->dtype());
    if (!status.ok()) return status;
  }
  for (const auto& [entry, tensor] : matched) {
    const absl::StatusOr<std::string> bytes = read(entry, *tensor);
    if (!bytes.ok()) return bytes.status();
    Overwrite(entry.mutable_array(),
              FromPublic(*bytes, entry.layout, entry.array->shape(), autograd::SizeOf(entry.array->dtype())));
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
