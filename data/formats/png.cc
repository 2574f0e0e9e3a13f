#include "data/formats/png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "data/formats/exif.h"
#include "data/formats/image_header.h"

namespace data {
namespace {

// libpng reports errors by longjmp. Every call that may do so runs inside Guard(), whose body holds no object
// with a destructor: jumping over one would be undefined.
template <typename Body>
bool Guard(png_structp png, const Body& body) {
  if (setjmp(png_jmpbuf(png))) return false;
  body();
  return true;
}

struct ErrorText {
  char text[160] = "unknown error";
};

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* error = static_cast<ErrorText*>(png_get_error_ptr(png));
  std::strncpy(error->text, message, sizeof(error->text) - 1);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

class Decoder {
 public:
  explicit Decoder(absl::string_view bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &error_, OnError, OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  absl::Status ReadHeader() {
    if (!IsPng(bytes_)) return absl::InvalidArgumentError("not a PNG file");
    if (info_ == nullptr) return absl::ResourceExhaustedError("libpng is out of memory");
    const bool ok = Guard(png_, [this] {
      png_set_read_fn(png_, this, [](png_structp png, png_bytep out, size_t count) {
        auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
        if (count > decoder->bytes_.size() - decoder->offset_) png_error(png, "the file is truncated");
        std::memcpy(out, decoder->bytes_.data() + decoder->offset_, count);
        decoder->offset_ += count;
      });
      png_set_user_limits(png_, kMaxDimension, kMaxDimension);
      png_read_info(png_, info_);
    });
    if (!ok) return Corrupt();
    const int64_t pixel_count = int64_t{width()} * height();
    if (pixel_count > kMaxPixels) {
      return absl::ResourceExhaustedError(absl::StrCat("the image is too large: ", width(), " x ", height()));
    }
    // Deflate cannot expand by more than 1032: a tiny file that promises a huge image is damaged or an
    // attack.
    const int64_t stored_bits = pixel_count * png_get_channels(png_, info_) * bit_depth();
    if (stored_bits / 8 / 1040 > static_cast<int64_t>(bytes_.size())) {
      return absl::DataLossError("damaged PNG: the file is too short for its size in pixels");
    }
    return absl::OkStatus();
  }

  int width() const { return static_cast<int>(png_get_image_width(png_, info_)); }
  int height() const { return static_cast<int>(png_get_image_height(png_, info_)); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }
  int color_type() const { return png_get_color_type(png_, info_); }

  absl::Status ReadRgb(Image& image) {
    return ReadRows(image.pixels.data(), size_t{3} * image.width, [this] {
      if (bit_depth() == 16) png_set_scale_16(png_);
      if (color_type() == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
      if (!(color_type() & PNG_COLOR_MASK_COLOR)) {
        if (bit_depth() < 8) png_set_expand_gray_1_2_4_to_8(png_);
        png_set_gray_to_rgb(png_);
      }
      if ((color_type() & PNG_COLOR_MASK_ALPHA) || png_get_valid(png_, info_, PNG_INFO_tRNS)) png_set_strip_alpha(png_);
    });
  }

  // One sample a pixel, of 1 byte, or of 2 bytes in host order where the file has 16 bits.
  absl::Status ReadIndices(uint8_t* out) {
    return ReadRows(out, size_t{static_cast<size_t>(width())} * (bit_depth() == 16 ? 2 : 1), [this] {
      png_set_packing(png_);
      png_set_strip_alpha(png_);
      const uint16_t one = 1;
      uint8_t first;
      std::memcpy(&first, &one, 1);
      if (bit_depth() == 16 && first == 1) png_set_swap(png_);
    });
  }

 private:
  absl::Status Corrupt() const { return absl::DataLossError(absl::StrCat("damaged PNG: ", error_.text)); }

  template <typename Configure>
  absl::Status ReadRows(uint8_t* out, size_t row_bytes, const Configure& configure) {
    const bool ok = Guard(png_, [&] {
      configure();
      const int passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "unexpected row size");
      const int rows = height();
      for (int pass = 0; pass < passes; ++pass) {
        for (int y = 0; y < rows; ++y) png_read_row(png_, out + row_bytes * y, nullptr);
      }
      png_read_end(png_, nullptr);  // also finds a file that ends early
    });
    return ok ? absl::OkStatus() : Corrupt();
  }

  const absl::string_view bytes_;
  size_t offset_ = 0;
  ErrorText error_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

absl::Status CheckHasIndices(const Decoder& decoder) {
  const int type = decoder.color_type();
  if (type == PNG_COLOR_TYPE_RGB || type == PNG_COLOR_TYPE_RGB_ALPHA) {
    return absl::InvalidArgumentError(absl::StrCat("a label map must be a palette or grey PNG, but this one is ",
                                                   type == PNG_COLOR_TYPE_RGB ? "RGB" : "RGBA",
                                                   ": colours cannot be read as class numbers"));
  }
  return absl::OkStatus();
}

// `palette` empty: no PLTE chunk. Throws on a malformed call only.
std::string Encode(const uint8_t* pixels, int height, int width, int channels, int color_type,
                   const std::vector<Color>& palette) {
  autograd::Require(height > 0 && width > 0 && height <= kMaxDimension && width <= kMaxDimension, "EncodePng",
                    "cannot write an image of ", height, " x ", width);
  std::string out;
  ErrorText error;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &error, OnError, OnWarning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  const bool ok =
      info != nullptr && Guard(png, [&] {
        png_set_write_fn(
            png, &out,
            [](png_structp png, png_bytep bytes, size_t count) {
              static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(bytes), count);
            },
            [](png_structp) {});
        // Colours at 4: as small as at 6, where zlib looks for longer matches that photographs do not have, in a third
        // of the time.
        png_set_compression_level(png, channels > 1 ? 4 : 6);
        png_set_IHDR(png, info, width, height, 8, color_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                     PNG_FILTER_TYPE_DEFAULT);
        if (!palette.empty()) {
          png_color entries[256] = {};
          for (size_t i = 0; i < palette.size(); ++i) {
            entries[i] = {palette[i].red, palette[i].green, palette[i].blue};
          }
          png_set_PLTE(png, info, entries, static_cast<int>(palette.size()));
        }
        png_write_info(png, info);
        for (int y = 0; y < height; ++y) png_write_row(png, pixels + size_t{1} * y * width * channels);
        png_write_end(png, nullptr);
      });
  png_destroy_write_struct(&png, &info);
  autograd::Require(ok, "EncodePng", error.text);
  return out;
}

}  // namespace

bool IsPng(absl::string_view bytes) {
  return bytes.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

absl::StatusOr<Image> DecodePng(absl::string_view bytes, const ReadOptions& options) {
  Decoder decoder(bytes);
  if (absl::Status status = decoder.ReadHeader(); !status.ok()) return status;
  Image image(decoder.height(), decoder.width());
  if (absl::Status status = decoder.ReadRgb(image); !status.ok()) return status;
  image.orientation = OrientationOf(bytes);
  if (!options.ignore_orientation) Reorient(image.orientation, image);
  return image;
}

absl::StatusOr<IndexMap> DecodeIndexPng(absl::string_view bytes, const ReadOptions& options) {
  Decoder decoder(bytes);
  if (absl::Status status = decoder.ReadHeader(); !status.ok()) return status;
  if (absl::Status status = CheckHasIndices(decoder); !status.ok()) return status;
  IndexMap map;
  map.height = decoder.height();
  map.width = decoder.width();
  map.values.resize(size_t{1} * map.height * map.width);
  if (decoder.bit_depth() == 16) {
    absl::Status status = decoder.ReadIndices(reinterpret_cast<uint8_t*>(map.values.data()));
    if (!status.ok()) return status;
  } else {
    std::vector<uint8_t> narrow(map.values.size());
    if (absl::Status status = decoder.ReadIndices(narrow.data()); !status.ok()) return status;
    std::copy(narrow.begin(), narrow.end(), map.values.begin());
  }
  if (!options.ignore_orientation) Reorient(OrientationOf(bytes), map);
  return map;
}

absl::StatusOr<LabelMap> DecodeLabelPng(absl::string_view bytes, const ReadOptions& options) {
  {
    Decoder decoder(bytes);
    if (absl::Status status = decoder.ReadHeader(); !status.ok()) return status;
    if (absl::Status status = CheckHasIndices(decoder); !status.ok()) return status;
    if (decoder.bit_depth() <= 8) {
      LabelMap labels(decoder.height(), decoder.width());
      if (absl::Status status = decoder.ReadIndices(labels.values.data()); !status.ok()) return status;
      if (!options.ignore_orientation) Reorient(OrientationOf(bytes), labels);
      return labels;
    }
  }
  absl::StatusOr<IndexMap> wide = DecodeIndexPng(bytes, options);
  if (!wide.ok()) return wide.status();
  LabelMap labels(wide->height, wide->width);
  for (size_t i = 0; i < wide->values.size(); ++i) {
    if (wide->values[i] > 255) {
      return absl::InvalidArgumentError(absl::StrCat("16-bit label value ", wide->values[i], " at row ",
                                                     i / wide->width, ", column ", i % wide->width,
                                                     " does not fit 8 bits"));
    }
    labels.values[i] = static_cast<uint8_t>(wide->values[i]);
  }
  return labels;
}

std::string EncodePng(const Image& image) {
  autograd::Require(image.pixels.size() == size_t{1} * image.height * image.width * image.channels, "EncodePng",
                    image.pixels.size(), " bytes for ", image.height, " x ", image.width, " x ", image.channels);
  autograd::Require(image.channels == 1 || image.channels == 3 || image.channels == 4, "EncodePng", image.channels,
                    " channels; 1, 3 or 4 can be written");
  const int type = image.channels == 1   ? PNG_COLOR_TYPE_GRAY
                   : image.channels == 3 ? PNG_COLOR_TYPE_RGB
                                         : PNG_COLOR_TYPE_RGB_ALPHA;
  return Encode(image.pixels.data(), image.height, image.width, image.channels, type, {});
}

std::string EncodeLabelPng(const LabelMap& labels) {
  autograd::Require(labels.values.size() == size_t{1} * labels.height * labels.width, "EncodeLabelPng",
                    labels.values.size(), " values for ", labels.height, " x ", labels.width);
  return Encode(labels.values.data(), labels.height, labels.width, 1, PNG_COLOR_TYPE_GRAY, {});
}

absl::StatusOr<std::string> EncodePalettePng(const LabelMap& labels, const std::vector<Color>& palette,
                                             Color void_color) {
  autograd::Require(labels.values.size() == size_t{1} * labels.height * labels.width, "EncodePalettePng",
                    labels.values.size(), " values for ", labels.height, " x ", labels.width);
  for (const uint8_t value : labels.values) {
    if (value >= palette.size() && value != kVoidLabel) {
      return absl::InvalidArgumentError(
          absl::StrCat("label value ", value, " has no colour: the palette has ", palette.size(), " entries"));
    }
  }
  std::vector<Color> full = palette;
  full.resize(256);
  if (palette.size() < 256) full[kVoidLabel] = void_color;
  return Encode(labels.values.data(), labels.height, labels.width, 1, PNG_COLOR_TYPE_PALETTE, full);
}

absl::Status WritePng(const std::string& path, const Image& image) {
  return autograd::WriteFileAtomically(path, EncodePng(image));
}

absl::Status WriteLabelPng(const std::string& path, const LabelMap& labels) {
  return autograd::WriteFileAtomically(path, EncodeLabelPng(labels));
}

absl::Status WritePalettePng(const std::string& path, const LabelMap& labels, const std::vector<Color>& palette,
                             Color void_color) {
  absl::StatusOr<std::string> bytes = EncodePalettePng(labels, palette, void_color);
  if (!bytes.ok()) return absl::Status(bytes.status().code(), absl::StrCat("'", path, "': ", bytes.status().message()));
  return autograd::WriteFileAtomically(path, *bytes);
}

}  // namespace data
