#include "data/datasets/split_list.h"

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace data {
namespace {

using Names = std::vector<std::string>;

Names Texts(absl::string_view bytes) {
  const absl::StatusOr<std::vector<ListLine>> lines = ParseList(bytes);
  EXPECT_TRUE(lines.ok()) << lines.status();
  Names texts;
  if (lines.ok()) {
    for (const ListLine& line : *lines) texts.push_back(line.text);
  }
  return texts;
}

// The units of UTF-16 behind their byte-order mark.
std::string Utf16(const std::vector<int>& units, bool big_endian) {
  std::string bytes = big_endian ? "\xFE\xFF" : "\xFF\xFE";
  for (const int unit : units) {
    const char high = static_cast<char>(unit >> 8), low = static_cast<char>(unit & 255);
    bytes += big_endian ? std::string{high, low} : std::string{low, high};
  }
  return bytes;
}

TEST(SplitList, EveryEndOfALine) {
  const Names expected = {"a", "b c", "d"};
  EXPECT_EQ(Texts("a\nb c\nd"), expected);
  EXPECT_EQ(Texts("a\nb c\nd\n"), expected);
  EXPECT_EQ(Texts("a\r\nb c\r\nd\r\n\r\n"), expected);
  EXPECT_EQ(Texts("a\rb c\rd\r"), expected);
  EXPECT_EQ(Texts("  a \t\n\n   \nb c  \r\n\t\nd \n\n\n"), expected);
  EXPECT_EQ(Texts(""), Names());
  EXPECT_EQ((*ParseList("\r\na\r\r\nb"))[0].number, 2);
  EXPECT_EQ((*ParseList("\r\na\r\r\nb"))[1].number, 4);
}

TEST(SplitList, EveryByteOrderMark) {
  EXPECT_EQ(Texts("\xEF\xBB\xBF"
                  "a\nb\n"),
            (Names{"a", "b"}));
  EXPECT_EQ(Texts("a\n\xEF\xBB\xBF"
                  "b\n"),
            (Names{"a", "b"}));  // two lists put together
  for (const bool big_endian : {false, true}) {
    // a, e with acute accent, the euro sign, a clef of music (U+1D11E, of two units).
    const std::string list = Utf16({'a', '\r', '\n', 0xE9, '\n', 0x20AC, '\n', 0xD834, 0xDD1E}, big_endian);
    EXPECT_EQ(Texts(list), (Names{"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9D\x84\x9E"}));
    for (const std::vector<int>& broken :
         {std::vector<int>{'a', '\n', 0xD834}, {'a', '\n', 0xD834, 'b'}, {'a', '\n', 0xDD1E, 'b'}}) {
      const absl::Status status = ParseList(Utf16(broken, big_endian)).status();
      EXPECT_NE(status.message().find("line 2: a broken character"), absl::string_view::npos) << status;
    }
    EXPECT_FALSE(ParseList(list.substr(0, list.size() - 1)).ok());
    EXPECT_EQ(Texts(Utf16({}, big_endian)), Names());
  }
  // UTF-16 without its mark, and zero bytes in general.
  for (const std::string& list : {std::string("a\0\n\0b\0", 6), std::string("a\nb\0c", 5)})
    EXPECT_NE(ParseList(list).status().message().find("zero byte"), absl::string_view::npos);
  EXPECT_NE(ParseList(absl::string_view("a\nb\0c", 5)).status().message().find("line 2"), absl::string_view::npos);
}

TEST(SplitList, FieldsAndNamesWithBlanks) {
  const auto fields = [](const std::string& text) { return (*ParseList(text))[0].fields; };
  EXPECT_EQ(fields("a.png  b.png"), (Names{"a.png", "b.png"}));
  EXPECT_EQ(fields("my a.png\tmy b.png"), (Names{"my a.png", "my b.png"}));
  EXPECT_EQ(fields(" my a.png \t\t my b.png "), (Names{"my a.png", "my b.png"}));
  EXPECT_EQ(fields("\"my a.png\" \"my b.png\""), (Names{"my a.png", "my b.png"}));
  EXPECT_EQ(fields("\"my a.png\" b.png"), (Names{"my a.png", "b.png"}));
  EXPECT_EQ(fields("a.png\t\"my b.png\""), (Names{"a.png", "my b.png"}));
  EXPECT_EQ(fields("6\"-pipe.png b"), (Names{"6\"-pipe.png", "b"}));
  EXPECT_TRUE((*ParseList("a b"))[0].cut_at_blanks);
  EXPECT_FALSE((*ParseList("a\tb"))[0].cut_at_blanks);
  EXPECT_FALSE((*ParseList("\"a b\""))[0].cut_at_blanks);
  const absl::Status open = ParseList("a\n\"b c\n").status();
  EXPECT_NE(open.message().find("line 2"), absl::string_view::npos) << open;
}

TEST(SplitList, Ids) {
  const std::string path = ::testing::TempDir() + "/ids.txt";
  const auto read = [&path](const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    return ReadIds(path, [](const std::string& id) { return id == "my photo" || id == "photo 1"; });
  };
  EXPECT_EQ(*read("a\nmy photo\n\"my other\"\n"), (Names{"a", "my photo", "my other"}));
  EXPECT_EQ(*read("a -1\nb  0\nc 1\nd\t1\nphoto 1\n"), (Names{"a", "b", "c", "d", "photo 1"}));
  for (const char* wrong : {"a\nno photo\n", "a\nb 2\n", "a\nb 1 1\n"}) {
    const absl::Status status = read(wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    for (const char* word : {"ids.txt', line 2", "quotes", "tabs"})
      EXPECT_NE(status.message().find(word), absl::string_view::npos) << status;
  }
  EXPECT_NE(read("\n \n").status().message().find("lists no sample"), absl::string_view::npos);
}

}  // namespace
}  // namespace data
