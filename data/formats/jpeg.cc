#include "data/formats/jpeg.h"

#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <cstring>
#include <vector>

// After <cstdio>.
#include <jerror.h>
#include <jpeglib.h>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "data/formats/exif.h"
#include "data/formats/image_header.h"

namespace data {
namespace {

// A progressive file may carry thousands of scans over the whole image for a few bytes each.
constexpr int kMaxScans = 500;

struct ErrorHandler {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is a pointer to this
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX] = "unknown error";
};

[[noreturn]] void OnError(j_common_ptr codec) {
  auto* handler = reinterpret_cast<ErrorHandler*>(codec->err);
  codec->err->format_message(codec, handler->text);
  std::longjmp(handler->jump, 1);
}

// libjpeg repairs damaged data with grey blocks and a warning. For training data that is an error, except for
// remarks about the container which leave the pixels alone and occur in published sets.
void OnMessage(j_common_ptr codec, int level) {
  if (level >= 0) return;
  switch (codec->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      OnError(codec);
  }
}

void InstallHandler(ErrorHandler& handler) {
  jpeg_std_error(&handler.manager);
  handler.manager.error_exit = OnError;
  handler.manager.emit_message = OnMessage;
}

// libjpeg reports errors by longjmp: the body holds no object with a destructor.
template <typename Body>
bool Guard(ErrorHandler& handler, const Body& body) {
  if (setjmp(handler.jump)) return false;
  body();
  return true;
}

class Decoder {
 public:
  Decoder() {
    InstallHandler(handler_);
    codec_.err = &handler_.manager;
    created_ = Guard(handler_, [this] { jpeg_create_decompress(&codec_); });
  }
  ~Decoder() {
    if (created_) jpeg_destroy_decompress(&codec_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  absl::Status ReadHeader(absl::string_view bytes) {
    if (!IsJpeg(bytes)) return absl::InvalidArgumentError("not a JPEG file");
    const bool ok = created_ && Guard(handler_, [&] {
                      jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
                      jpeg_read_header(&codec_, TRUE);
                      const bool four_inks = codec_.jpeg_color_space == JCS_CMYK || codec_.jpeg_color_space == JCS_YCCK;
                      codec_.out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
                      codec_.dct_method = JDCT_ISLOW;
                      jpeg_calc_output_dimensions(&codec_);
                    });
    if (!ok) return Corrupt();
    if (int64_t{codec_.output_width} * codec_.output_height > kMaxPixels) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the image is too large: ", codec_.output_width, " x ", codec_.output_height));
    }
    return absl::OkStatus();
  }

  int width() const { return static_cast<int>(codec_.output_width); }
  int height() const { return static_cast<int>(codec_.output_height); }
  bool four_inks() const { return codec_.out_color_space == JCS_CMYK; }

  // `ink_row`: 4 * width bytes of working space, only for four inks.
  absl::Status ReadRgb(Image& image, uint8_t* ink_row) {
    const bool ok = Guard(handler_, [&] {
      jpeg_progress_mgr progress;
      progress.progress_monitor = [](j_common_ptr codec) {
        if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number > kMaxScans)
          ERREXIT(codec, JERR_BAD_PROGRESSION);
      };
      codec_.progress = &progress;
      jpeg_start_decompress(&codec_);
      while (codec_.output_scanline < codec_.output_height) {
        uint8_t* row = image.Row(static_cast<int>(codec_.output_scanline));
        JSAMPROW target = ink_row != nullptr ? ink_row : row;
        jpeg_read_scanlines(&codec_, &target, 1);
        if (ink_row != nullptr) MixInks(ink_row, image.width, row);
      }
      jpeg_finish_decompress(&codec_);
      codec_.progress = nullptr;
    });
    codec_.progress = nullptr;
    return ok ? absl::OkStatus() : Corrupt();
  }

 private:
  absl::Status Corrupt() const { return absl::DataLossError(absl::StrCat("damaged JPEG: ", handler_.text)); }

  // Files store 255 - ink, the light that is left.
  static void MixInks(const uint8_t* lights, int width, uint8_t* rgb) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c)
        rgb[3 * x + c] = static_cast<uint8_t>((lights[4 * x + c] * lights[4 * x + 3] + 127) / 255);
    }
  }

  ErrorHandler handler_;
  jpeg_decompress_struct codec_ = {};
  bool created_ = false;
};

}  // namespace

bool IsJpeg(absl::string_view bytes) { return bytes.size() >= 3 && std::memcmp(bytes.data(), "\xFF\xD8\xFF", 3) == 0; }

absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes, const ReadOptions& options) {
  Decoder decoder;
  if (absl::Status status = decoder.ReadHeader(bytes); !status.ok()) return status;
  Image image(decoder.height(), decoder.width());
  std::vector<uint8_t> ink_row(decoder.four_inks() ? size_t{4} * image.width : 0);
  absl::Status status = decoder.ReadRgb(image, decoder.four_inks() ? ink_row.data() : nullptr);
  if (!status.ok()) return status;
  image.orientation = OrientationOf(bytes);
  if (!options.ignore_orientation) Reorient(image.orientation, image);
  return image;
}

std::string EncodeJpeg(const Image& image, int quality) {
  autograd::Require(image.pixels.size() == size_t{1} * image.height * image.width * image.channels, "EncodeJpeg",
                    image.pixels.size(), " bytes for ", image.height, " x ", image.width, " x ", image.channels);
  autograd::Require(image.channels == 1 || image.channels == 3, "EncodeJpeg", image.channels,
                    " channels; 1 or 3 can be written");
  ErrorHandler handler;
  InstallHandler(handler);
  jpeg_compress_struct codec = {};
  codec.err = &handler.manager;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  const bool ok = Guard(handler, [&] {
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &bytes, &size);
    codec.image_width = static_cast<JDIMENSION>(image.width);
    codec.image_height = static_cast<JDIMENSION>(image.height);
    codec.input_components = image.channels;
    codec.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, quality, TRUE);
    jpeg_start_compress(&codec, TRUE);
    while (codec.next_scanline < codec.image_height) {
      JSAMPROW row = const_cast<uint8_t*>(image.Row(static_cast<int>(codec.next_scanline)));
      jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
  });
  jpeg_destroy_compress(&codec);
  std::string out(reinterpret_cast<const char*>(bytes), ok ? size : 0);
  std::free(bytes);
  autograd::Require(ok, "EncodeJpeg", handler.text);
  return out;
}

}  // namespace data
