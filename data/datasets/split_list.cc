#include "data/datasets/split_list.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/atomic_file.h"

namespace data {
namespace {

constexpr absl::string_view kUtf8Mark("\xEF\xBB\xBF", 3);
constexpr uint32_t kBroken = 0xFFFFFFFF;

void AppendUtf8(uint32_t character, std::string& text) {
  if (character < 0x80) {
    text.push_back(static_cast<char>(character));
    return;
  }
  const int following = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  constexpr int kLead[] = {0, 0xC0, 0xE0, 0xF0};
  text.push_back(static_cast<char>(kLead[following] | character >> 6 * following));
  for (int i = following - 1; i >= 0; --i) text.push_back(static_cast<char>(0x80 | (character >> 6 * i & 0x3F)));
}

// The next character of UTF-16 (RFC 2781), which is cut off `bytes`; kBroken if there is half a one.
uint32_t TakeUtf16(bool big_endian, absl::string_view& bytes) {
  const auto unit = [&](size_t i) -> uint32_t {
    const uint32_t first = static_cast<uint8_t>(bytes[2 * i]), second = static_cast<uint8_t>(bytes[2 * i + 1]);
    return big_endian ? first << 8 | second : second << 8 | first;
  };
  if (bytes.size() < 2) return kBroken;
  const uint32_t high = unit(0);
  if (high < 0xD800 || high > 0xDFFF) {
    bytes.remove_prefix(2);
    return high;
  }
  if (high > 0xDBFF || bytes.size() < 4 || unit(1) < 0xDC00 || unit(1) > 0xDFFF) return kBroken;
  const uint32_t character = 0x10000 + ((high - 0xD800) << 10 | (unit(1) - 0xDC00));
  bytes.remove_prefix(4);
  return character;
}

absl::Status LineError(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

// UTF-8 of whatever encoding the mark tells.
absl::StatusOr<std::string> ToUtf8(absl::string_view bytes) {
  const absl::string_view mark = bytes.substr(0, 2);
  if (mark != "\xFF\xFE" && mark != "\xFE\xFF") return std::string(bytes);
  bytes.remove_prefix(2);
  std::string text;
  int line = 1;
  while (!bytes.empty()) {
    const uint32_t character = TakeUtf16(mark == "\xFE\xFF", bytes);
    if (character == kBroken) return LineError(line, "a broken character of UTF-16");
    if (character == '\n') ++line;
    AppendUtf8(character, text);
  }
  return text;
}

std::vector<absl::string_view> Lines(absl::string_view text) {
  std::vector<absl::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find_first_of("\r\n");
    lines.push_back(text.substr(0, end));
    if (end == absl::string_view::npos) break;
    text.remove_prefix(end + (absl::StartsWith(text.substr(end), "\r\n") ? 2 : 1));
  }
  return lines;
}

// False if a quote is not closed.
bool CutFields(ListLine& line) {
  const bool tabs = absl::StrContains(line.text, '\t');
  const absl::string_view separators = tabs ? "\t" : " \t\v\f";
  absl::string_view rest = line.text;
  line.cut_at_blanks = !tabs;
  for (;;) {
    while (!rest.empty() && absl::ascii_isspace(static_cast<unsigned char>(rest[0]))) rest.remove_prefix(1);
    if (rest.empty()) return true;
    size_t end;
    if (rest[0] == '"') {
      line.cut_at_blanks = false;
      rest.remove_prefix(1);
      end = rest.find('"');
      if (end == absl::string_view::npos) return false;
      line.fields.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      continue;
    }
    end = rest.find_first_of(separators);
    const absl::string_view field = absl::StripAsciiWhitespace(rest.substr(0, end));
    line.fields.emplace_back(field);
    rest.remove_prefix(end == absl::string_view::npos ? rest.size() : end);
  }
}

}  // namespace

absl::StatusOr<std::vector<ListLine>> ParseList(absl::string_view bytes) {
  const absl::StatusOr<std::string> text = ToUtf8(bytes);
  if (!text.ok()) return text.status();
  std::vector<ListLine> lines;
  int number = 0;
  for (absl::string_view raw : Lines(*text)) {
    ++number;
    // Lists that were put together of several have marks in their middle too.
    absl::ConsumePrefix(&raw, kUtf8Mark);
    if (raw.find('\0') != absl::string_view::npos)
      return LineError(number, "a zero byte, as in UTF-16 without a byte-order mark: save the list as UTF-8");
    ListLine line;
    line.number = number;
    line.text = std::string(absl::StripAsciiWhitespace(raw));
    if (line.text.empty()) continue;
    if (!CutFields(line)) return LineError(number, absl::StrCat("a quote is not closed: ", line.text));
    lines.push_back(std::move(line));
  }
  return lines;
}

absl::StatusOr<std::vector<ListLine>> ReadList(const std::string& path) {
  const absl::StatusOr<std::string> bytes = autograd::ReadFile(path);
  if (!bytes.ok())
    return absl::Status(bytes.status().code(), absl::StrCat("list of the split: ", bytes.status().message()));
  absl::StatusOr<std::vector<ListLine>> lines = ParseList(*bytes);
  if (!lines.ok()) return absl::Status(lines.status().code(), absl::StrCat("'", path, "', ", lines.status().message()));
  if (lines->empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' lists no sample"));
  return lines;
}

absl::Status WrongFields(const std::string& path, const ListLine& line, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      "'", path, "', line ", line.number, ": expected ", expected, ", found ", line.fields.size(), ": '", line.text,
      "' (a name with blanks in it needs double quotes around it, or tabs between the fields)"));
}

bool IsClassMark(absl::string_view field) { return field == "-1" || field == "0" || field == "1"; }

absl::StatusOr<std::vector<std::string>> ReadIds(const std::string& path,
                                                 const std::function<bool(const std::string& id)>& exists) {
  const absl::StatusOr<std::vector<ListLine>> lines = ReadList(path);
  if (!lines.ok()) return lines.status();
  std::vector<std::string> ids;
  for (const ListLine& line : *lines) {
    if (line.fields.size() == 1) {
      ids.push_back(line.fields[0]);
    } else if (line.cut_at_blanks && exists(line.text)) {
      ids.push_back(line.text);
    } else if (line.fields.size() == 2 && IsClassMark(line.fields[1])) {
      ids.push_back(line.fields[0]);
    } else {
      return WrongFields(path, line, "1 field, or an id whose image exists");
    }
  }
  return ids;
}

}  // namespace data
