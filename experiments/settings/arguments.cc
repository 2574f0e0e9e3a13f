#include "experiments/settings/arguments.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/atomic_file.h"

namespace experiments {
namespace {

// Insertions, deletions, exchanges and swaps of neighbours that make one text of the other.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> distance(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        distance[i][j] = i + j;
        continue;
      }
      distance[i][j] = std::min(
          {distance[i - 1][j] + 1, distance[i][j - 1] + 1, distance[i - 1][j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
    }
  }
  return distance[a.size()][b.size()];
}

// The flag that a name that is none may stand for.
std::string Suggestion(absl::string_view name, const SettingVisitor& known) {
  const BoundSetting* nearest = nullptr;
  size_t least = name.size() / 3 + 2;  // a typing error, not another word
  for (const BoundSetting& setting : known.settings()) {
    if (!setting.is_flag) continue;
    size_t distance = EditDistance(name, setting.name);
    for (const std::string& former : setting.former_names) distance = std::min(distance, EditDistance(name, former));
    if (distance < least) {
      least = distance;
      nearest = &setting;
    }
  }
  return nearest != nullptr ? absl::StrCat("; did you mean --", nearest->name, "?")
                            : std::string("; --help lists the flags");
}

bool IsSwitchOff(absl::string_view name, SettingVisitor& known) {
  if (!absl::ConsumePrefix(&name, "no")) return false;
  const BoundSetting* setting = known.FindFlag(name);
  return setting != nullptr && setting->is_switch;
}

std::string Shown(absl::string_view text) { return absl::Utf8SafeCEscape(text); }

}  // namespace

absl::StatusOr<Arguments> ParseArguments(absl::Span<const char* const> arguments, SettingVisitor& known) {
  Arguments parsed;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view text = arguments[i];
    if (text == "--help" || text == "-h" || text == "-help") {
      parsed.help = true;
      continue;
    }
    if (!absl::ConsumePrefix(&text, "-") || text.empty())
      return WrongFlag(absl::StrCat("unexpected argument '", arguments[i], "' (flags look like --name=value)"));
    absl::ConsumePrefix(&text, "-");
    const size_t equals = text.find('=');
    const absl::string_view name = text.substr(0, equals);
    Assignment assignment{std::string(name), "", arguments[i]};
    BoundSetting* setting = known.FindFlag(name);
    if (setting == nullptr && equals == absl::string_view::npos && IsSwitchOff(name, known)) {
      assignment.name = std::string(name.substr(2));
      assignment.text = "false";
    } else if (setting == nullptr) {
      return WrongFlag(absl::StrCat("unknown flag --", name, Suggestion(name, known)));
    } else if (equals != absl::string_view::npos) {
      assignment.text = std::string(text.substr(equals + 1));
    } else if (setting->is_switch) {
      assignment.text = "true";
    } else if (i + 1 < arguments.size() && !absl::StartsWith(arguments[i + 1], "--")) {
      assignment.text = arguments[++i];
      assignment.source = absl::StrCat("--", name, "=", assignment.text);
    } else {
      return WrongFlag(absl::StrCat("--", name, " lacks its value: --", name, "=…"));
    }
    parsed.assignments.push_back(std::move(assignment));
  }
  return parsed;
}

absl::StatusOr<std::vector<Assignment>> ReadSettingsFile(const std::string& path, SettingVisitor& known) {
  const absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<Assignment> assignments;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::string source = absl::StrCat(path, ":", number, ": ", line);
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos)
      return absl::InvalidArgumentError(absl::StrCat(source, ": is no name=value"));
    Assignment assignment{std::string(absl::StripAsciiWhitespace(line.substr(0, equals))), "", source};
    if (known.FindFlag(assignment.name) == nullptr)
      return absl::InvalidArgumentError(
          absl::StrCat(source, ": there is no setting '", assignment.name, "'", Suggestion(assignment.name, known)));
    std::string error;
    if (!absl::CUnescape(absl::StripLeadingAsciiWhitespace(line.substr(equals + 1)), &assignment.text, &error))
      return absl::InvalidArgumentError(absl::StrCat(source, ": ", error));
    assignments.push_back(std::move(assignment));
  }
  return assignments;
}

absl::Status Apply(absl::Span<const Assignment> assignments, SettingVisitor& settings,
                   std::vector<std::string>* notes) {
  for (const Assignment& assignment : assignments) {
    BoundSetting* setting = settings.Find(assignment.name);
    if (setting == nullptr) return WrongFlag(absl::StrCat(assignment.source, ": there is no setting of that name"));
    if (notes != nullptr && setting->name != assignment.name)
      notes->push_back(absl::StrCat("--", assignment.name, " is called --", setting->name, " now"));
    std::string error;
    if (!setting->parse(assignment.text, error))
      return WrongFlag(absl::StrCat(assignment.source, ": '", Shown(assignment.text), "' is no value of --",
                                    setting->name, " (", setting->help, ")", error.empty() ? "" : ": ", error));
    for (BoundSetting& other : settings.settings()) {
      if (other.in_place_of == setting->name) other.parse("0", error);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBounds(const SettingVisitor& settings) {
  for (const BoundSetting& setting : settings.settings()) {
    if (!setting.within_bounds())
      return WrongFlag(absl::StrCat("--", setting.name, "=", setting.text(), " must be ", setting.bounds.ToString()));
  }
  return absl::OkStatus();
}

std::string SettingsText(const SettingVisitor& settings, absl::string_view title) {
  std::string text = absl::StrCat("# ", title, "\n");
  std::string group;
  for (const BoundSetting& setting : settings.settings()) {
    if (!setting.is_flag) continue;
    if (setting.group != group) absl::StrAppend(&text, "\n# ", group = setting.group, "\n");
    absl::StrAppend(&text, setting.name, "=", Shown(setting.text()), "\n");
  }
  return text;
}

std::string HelpText(const SettingVisitor& settings) {
  constexpr size_t kColumn = 34;
  std::string text, group;
  for (const BoundSetting& setting : settings.settings()) {
    if (!setting.is_flag) continue;
    if (setting.group != group) absl::StrAppend(&text, text.empty() ? "" : "\n", group = setting.group, "\n");
    const std::string value = setting.text();
    std::string flag = absl::StrCat("  --", setting.name, "=", Shown(value));
    flag.resize(std::max(flag.size() + 1, kColumn), ' ');
    absl::StrAppend(&text, flag, setting.help, "\n");
  }
  return text;
}

const Assignment* FindAssignment(absl::Span<const Assignment> assignments, absl::string_view name) {
  const Assignment* found = nullptr;
  for (const Assignment& assignment : assignments) {
    if (assignment.name == name) found = &assignment;
  }
  return found;
}

}  // namespace experiments
