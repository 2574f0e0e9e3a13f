#include "nn/checkpoints/file_kind.h"

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace nn {
namespace {

struct Magic {
  absl::string_view bytes;
  const char* description;
};

template <size_t size>
constexpr absl::string_view Bytes(const char (&text)[size]) {
  return absl::string_view(text, size - 1);
}

constexpr Magic kMagics[] = {
    {Bytes("\x89HDF\r\n\x1a\n"), "is an HDF5 file (Keras, h5py), not safetensors: its framework has to convert it"},
    {Bytes("GGUF"), "is a GGUF file (llama.cpp), not safetensors"},
    {Bytes("\x93NUMPY"), "is a NumPy array, not safetensors: safetensors.numpy.save_file writes arrays by name"},
    {Bytes("\x1f\x8b"), "is compressed with gzip: unpack it first"},
    {Bytes("BZh"), "is compressed with bzip2: unpack it first"},
    {Bytes("\xfd"
           "7zXZ"),
     "is compressed with xz: unpack it first"},
    {Bytes("\x28\xb5\x2f\xfd"), "is compressed with zstd: unpack it first"},
    {Bytes("7z\xbc\xaf\x27\x1c"), "is a 7z archive: unpack it first"},
    {Bytes("\x89PNG"), "is a PNG image, not weights"},
    {Bytes("\xff\xd8\xff"), "is a JPEG image, not weights"},
    {Bytes("%PDF"), "is a PDF document, not weights"},
    {Bytes("\x7f"
           "ELF"),
     "is a program or library, not weights"},
};

std::string PyTorch(const std::string& path, absl::string_view format) {
  std::filesystem::path converted = path;
  converted.replace_extension(".safetensors");
  if (converted == path) converted.replace_extension(".converted.safetensors");
  return absl::StrCat(
      "is a PyTorch checkpoint (", format,
      "), not safetensors; to convert it: python3 -c 'import torch, safetensors.torch; w = torch.load(\"", path,
      "\", map_location=\"cpu\"); safetensors.torch.save_file({k: v.contiguous().clone() for k, v in "
      "w.get(\"state_dict\", w.get(\"model\", w)).items()}, \"",
      converted.string(), "\")'");
}

// The fields of ONNX's ModelProto that come first: the version of the format, one byte, then a name or the graph.
bool IsOnnx(const std::string& path, absl::string_view first) {
  if (first.size() < 4 || first[0] != 0x08 || first[1] < 1 || first[1] > 32) return false;
  return absl::EndsWithIgnoreCase(path, ".onnx") || first[2] == 0x12 || first[2] == 0x3a || first[2] == 0x42;
}

std::string Pointer(absl::string_view text) {
  const size_t size = text.find("\nsize ");
  absl::string_view number = size == absl::string_view::npos ? absl::string_view() : text.substr(size + 6);
  number = number.substr(0, number.find_first_not_of("0123456789"));
  const std::string bytes = number.empty() ? "" : absl::StrCat(" of ", number, " bytes");
  return absl::StrCat("is a Git LFS pointer, not the weights: 'git lfs pull' in its repository fetches the file", bytes,
                      " that it stands for");
}

bool IsHtml(absl::string_view first) {
  absl::ConsumePrefix(&first, "\xEF\xBB\xBF");
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(first);
  for (const char* start : {"<!doctype html", "<html", "<head", "<body", "<!--"}) {
    if (absl::StartsWithIgnoreCase(text, start)) return true;
  }
  return false;
}

}  // namespace

std::string DescribeForeignFile(const std::string& path, absl::string_view first, absl::string_view last) {
  if (absl::StartsWith(first, "version https://git-lfs.") || absl::StartsWith(first, "version https://hawser."))
    return Pointer(first);
  if (absl::StartsWith(first, "/annex/objects/"))
    return "is a git-annex pointer, not the weights: 'git annex get' in its repository fetches them";
  if (absl::StartsWith(first, Bytes("PK\x03\x04"))) {
    // The first entry of PyTorch's archives is NAME/data.pkl, or their directory at the end has it.
    const bool pytorch = absl::StrContains(first, "data.pkl") || absl::StrContains(last, "data.pkl");
    if (pytorch) return PyTorch(path, "a ZIP archive of a pickle and tensors");
    return "is a ZIP archive, not safetensors: unpack it first";
  }
  // Protocols 2 to 5. Before the ZIP archives torch.save began with its magic number, 0x1950a86a20f9469cfc6c.
  if (first.size() > 2 && first[0] == '\x80' && first[1] >= 2 && first[1] <= 5) {
    const bool pytorch = absl::StrContains(first.substr(0, 32), Bytes("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"));
    return PyTorch(path, pytorch ? "a pickle, the format before version 1.6" : "or another pickle of Python's");
  }
  for (const Magic& magic : kMagics) {
    if (absl::StartsWith(first, magic.bytes)) return magic.description;
  }
  if (first.size() > 262 && first.substr(257, 5) == "ustar") return "is a tar archive: unpack it first";
  if (IsOnnx(path, first)) return "is an ONNX model, not safetensors: export the weights of the model it was made from";
  if (IsHtml(first)) return "is an HTML page, not weights: the download probably ended at a login or an error";
  if (absl::StartsWith(first, "<?xml")) return "is an XML text, not weights: perhaps a server's error message";
  return "";
}

}  // namespace nn
