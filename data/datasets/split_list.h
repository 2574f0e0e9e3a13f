// The lists of a dataset's splits, as editors and programs save them: text in UTF-8 or UTF-16 with a byte-order mark,
// lines that end in LF, CRLF or CR, blanks at their ends, empty lines.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace data {

struct ListLine {
  int number = 0;    // from 1
  std::string text;  // without blanks at its ends
  // Cut at tabs where the line has tabs, else at blanks. What stands in double quotes is one field, without them.
  std::vector<std::string> fields;
  bool cut_at_blanks = false;  // there are neither tabs nor quotes, so `text` may be one name with blanks in it
};

// The lines that are not empty. Errors name the line: a zero byte (of UTF-16 without its mark), a broken UTF-16
// character, a quote that is not closed.
absl::StatusOr<std::vector<ListLine>> ParseList(absl::string_view bytes);

// The same of a file. Every error names it; an empty list is one.
absl::StatusOr<std::vector<ListLine>> ReadList(const std::string& path);

// InvalidArgument: the line has not the fields that are `expected` ("2 fields"), and how names with blanks are written.
absl::Status WrongFields(const std::string& path, const ListLine& line, absl::string_view expected);

// A list with one id a line. An id with blanks in it is taken for one if `exists` says that it has an image. The -1, 0
// or 1 behind the ids of VOC's lists by class is passed over.
absl::StatusOr<std::vector<std::string>> ReadIds(const std::string& path,
                                                 const std::function<bool(const std::string& id)>& exists);

// True for the marks of VOC's lists by class.
bool IsClassMark(absl::string_view field);

}  // namespace data
