#include "experiments/report/report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/report/html_escape.h"
#include "experiments/report/report_style.h"

namespace experiments {
namespace {

std::string TableHtml(const TableRows& rows, absl::string_view caption) {
  if (rows.empty()) return "";
  size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  std::vector<bool> numeric(columns, rows.size() > 1);
  for (size_t r = 1; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      if (!LooksNumeric(rows[r][c])) numeric[c] = false;
    }
  }

  std::string html = "<div class=\"table\"><table>";
  if (!caption.empty()) absl::StrAppend(&html, "<caption>", HtmlEscape(caption), "</caption>");
  for (size_t r = 0; r < rows.size(); ++r) {
    const absl::string_view cell = r == 0 ? "th" : "td";
    absl::StrAppend(&html, r == 0 ? "<thead>" : "", "<tr>");
    for (size_t c = 0; c < columns; ++c) {
      absl::StrAppend(&html, "<", cell, numeric[c] ? " class=\"number\">" : ">",
                      c < rows[r].size() ? HtmlEscape(rows[r][c]) : "", "</", cell, ">");
    }
    absl::StrAppend(&html, "</tr>", r == 0 ? "</thead><tbody>\n" : "\n");
  }
  return html + "</tbody></table></div>\n";
}

// Width over height, from the IHDR chunk (big-endian, bytes 16 to 23).
double AspectRatio(absl::string_view png) {
  if (png.size() < 24) return 1.0;
  const auto big_endian = [png](size_t at) {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(png[i]);
    return value;
  };
  const uint32_t height = big_endian(20);
  return height > 0 ? static_cast<double>(big_endian(16)) / height : 1.0;
}

}  // namespace

void Report::Append(Group group, absl::string_view html) {
  if (group != open_group_) {
    if (open_group_ == Group::kPlots) body_ += "</div>\n";
    if (group == Group::kPlots) body_ += "<div class=\"plots\">\n";
    open_group_ = group;
  }
  absl::StrAppend(&body_, html);
}

void Report::AddFacts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string html = "<dl class=\"facts\">";
  for (const auto& [name, value] : facts) {
    absl::StrAppend(&html, "<div><dt>", HtmlEscape(name), "</dt><dd>", HtmlEscape(value), "</dd></div>");
  }
  Append(Group::kNone, html + "</dl>\n");
}

void Report::AddHeading(absl::string_view text) {
  Append(Group::kNone, absl::StrCat("<h2>", HtmlEscape(text), "</h2>\n"));
}

void Report::AddParagraph(absl::string_view text) {
  Append(Group::kNone, absl::StrCat("<p>", HtmlEscape(text), "</p>\n"));
}

void Report::AddCommand(absl::string_view command) {
  Append(Group::kNone, absl::StrCat("<pre>", HtmlEscape(command), "</pre>\n"));
}

void Report::AddSettings(const std::vector<std::pair<std::string, std::string>>& settings) {
  TableRows rows = {{"setting", "value"}};
  for (const auto& [name, value] : settings) rows.push_back({name, value});
  Append(Group::kNone, absl::StrCat("<details><summary>All ", settings.size(), " settings</summary>",
                                    TableHtml(rows, ""), "</details>\n"));
}

void Report::AddTable(const TableRows& rows, absl::string_view caption) {
  Append(Group::kNone, TableHtml(rows, caption));
}

void Report::AddCurves(absl::string_view title, absl::string_view x_label, absl::string_view y_label,
                       std::vector<Series> series) {
  Append(Group::kPlots,
         CurvePlotHtml({std::string(title), std::string(x_label), std::string(y_label), std::move(series)}));
}

void Report::AddPictures(const std::vector<Picture>& pictures) {
  constexpr double kBroad = 1.9;  // A row of image | label | prediction needs more room than one picture.
  const bool broad = std::any_of(pictures.begin(), pictures.end(),
                                 [](const Picture& picture) { return AspectRatio(picture.png) > kBroad; });
  std::string html = absl::StrCat("<div class=\"pictures", broad ? " broad" : "", "\">\n");
  for (const Picture& picture : pictures) {
    const std::string caption = HtmlEscape(picture.caption);
    absl::StrAppend(&html, "<figure><img alt=\"", caption, "\" src=\"data:image/png;base64,",
                    absl::Base64Escape(picture.png), "\"><figcaption>", caption, "</figcaption></figure>\n");
  }
  Append(Group::kNone, html + "</div>\n");
}

void Report::AddBars(absl::string_view title, const std::vector<Bar>& bars, double maximum, int decimals) {
  std::string html = absl::StrCat("<figure class=\"bars\"><figcaption>", HtmlEscape(title), "</figcaption><ul>\n");
  for (const Bar& bar : bars) {
    const bool known = std::isfinite(bar.value);
    const double percent = known ? std::clamp(100.0 * bar.value / maximum, 0.0, 100.0) : 0.0;
    const std::string color =
        bar.color ? absl::StrFormat(";--c:#%02x%02x%02x", bar.color->red, bar.color->green, bar.color->blue) : "";
    absl::StrAppendFormat(&html,
                          "<li><span>%s</span><span class=\"track\"><i style=\"width:%.2f%%%s\"></i></span>"
                          "<span>%s</span></li>\n",
                          HtmlEscape(bar.label), percent, color,
                          known ? absl::StrFormat("%.*f", decimals, bar.value) : "–");
  }
  Append(Group::kNone, html + "</ul></figure>\n");
}

std::string Report::Html() const {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      HtmlEscape(title_), "</title>\n<style>", kReportStyle, "</style></head>\n<body>\n<h1>", HtmlEscape(title_),
      "</h1>\n", body_, open_group_ == Group::kPlots ? "</div>\n" : "", "</body></html>\n");
}

absl::Status Report::Write(const std::string& path) const { return autograd::WriteFileAtomically(path, Html()); }

}  // namespace experiments
