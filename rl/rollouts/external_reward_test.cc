#include "rl/rollouts/external_reward.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace rl {
namespace {

using Scores = absl::StatusOr<std::vector<float>>;

std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

std::string Write(const std::string& name, const std::string& text) {
  std::ofstream(Path(name)) << text;
  return Path(name);
}

// Scores a map by its first pixel and the length of its image's name, every request by 100 more than the one before. In
// Python; `extra` runs before each score, where `i` is the map. An answer is one write,
// whatever PYTHONUNBUFFERED says (-E).
std::string PythonScorer(const std::string& name, const std::string& extra = "pass") {
  return "python3 -E " + Write(name, R"(
import os, sys
for asked, line in enumerate(iter(sys.stdin.buffer.readline, b"")):
    word, version, request, count, height, width = line.split()
    assert word == b"maps" and version == b"1"
    print("scores", int(request), int(count))
    for i in range(int(count)):
        image = sys.stdin.buffer.readline().decode().rstrip("\n")
        pixels = sys.stdin.buffer.read(int(height) * int(width))
        )" + extra + R"(
        print(pixels[0] + len(image) + 100 * asked)
    sys.stdout.flush()
)");
}

// `count` maps of one row of cells each, whose first cell is the map's number.
struct Request {
  explicit Request(int64_t count, int64_t height = 4, int64_t width = 6)
      : cells(count * 2), ids(count, 1), maps{cells.data(), count, 1, 2, height, width} {
    for (int64_t i = 0; i < count; ++i) cells[2 * i] = static_cast<uint8_t>(i);
  }
  std::vector<uint8_t> cells;
  std::vector<int64_t> ids;
  SampledMaps maps;

  std::vector<float> Expected(float rest) const {
    std::vector<float> scores;
    for (int64_t i = 0; i < maps.count; ++i) scores.push_back(static_cast<float>(static_cast<uint8_t>(i)) + rest);
    return scores;
  }
};

ExternalReward Reward(const std::string& command, int restarts = 0, double timeout_seconds = 30) {
  ExternalReward reward({command, "", timeout_seconds, restarts});
  reward.SetImages({"a", "bcd\tmirror"});  // image 1 has a name of ten characters
  return reward;
}

Scores Ask(const std::string& command, const Request& request) {
  return Reward(command).Score(request.ids, request.maps);
}

void ExpectError(const Scores& scores, absl::StatusCode code, const std::vector<std::string>& parts) {
  ASSERT_FALSE(scores.ok());
  EXPECT_EQ(scores.status().code(), code) << scores.status();
  for (const std::string& part : parts)
    EXPECT_NE(std::string(scores.status().message()).find(part), std::string::npos) << scores.status();
}

TEST(ExternalRewardTest, AsksOneProgramManyTimes) {
  ExternalReward reward = Reward(PythonScorer("right.py"));
  for (int asked = 0; asked < 3; ++asked) {
    const Request request(5 + asked);
    EXPECT_EQ(reward.Score(request.ids, request.maps).value(), request.Expected(10.0f + 100.0f * asked));
  }
}

TEST(ExternalRewardTest, AShellWillDo) {
  // The number of pixels of class 1.
  const std::string script = Write("count.sh", R"(
while read -r word version request count height width; do
  echo "scores $request $count"
  while [ "$count" -gt 0 ]; do
    read -r image
    head -c $((height * width)) | od -An -v -t u1 -w1 | awk '$1 == 1 { n++ } END { print n + 0 }'
    count=$((count - 1))
  done
done
)");
  const Request request(3);
  EXPECT_EQ(Ask("sh " + script, request).value(), (std::vector<float>{0, 12, 0}));
}

TEST(ExternalRewardTest, StartsInItsFolder) {
  const Request request(1);
  ExternalReward reward({"echo scores 0 1; ls; cat > /dev/null", Path("folder")});
  reward.SetImages({"a", "b"});
  ASSERT_EQ(mkdir(Path("folder").c_str(), 0777), 0);
  Write("folder/0.5", "");
  EXPECT_EQ(reward.Score(request.ids, request.maps).value(), std::vector<float>{0.5});
}

TEST(ExternalRewardTest, SaysHowAProgramDied) {
  const Request request(3);
  ExpectError(Ask("echo out of luck >&2; exit 3", request), absl::StatusCode::kUnavailable,
              {"'echo out of luck >&2; exit 3' exited with status 3", "after 0 of 3 scores", "\n  out of luck"});
  ExpectError(Ask("no_such_program", request), absl::StatusCode::kUnavailable, {"exited with status 127", "not found"});
  ExpectError(Ask(PythonScorer("middle.py", "if i == 2: sys.stdout.flush(); os.kill(os.getpid(), 9)"), request),
              absl::StatusCode::kUnavailable, {"in request 0, after 2 of 3 scores"});
  ExpectError(Ask("kill -9 $$", request), absl::StatusCode::kUnavailable, {"was killed by signal 9"});
  ExpectError(Ask("exec >&-; sleep 60", request), absl::StatusCode::kUnavailable, {"closed its standard output"});
  ExpectError(Ask(PythonScorer("raises.py", "raise ValueError('no label')"), request), absl::StatusCode::kUnavailable,
              {"exited with status 1", "ValueError: no label"});
}

// Reads nothing, and more is to be written than a pipe holds.
TEST(ExternalRewardTest, DeathIsSeenWhileWriting) {
  const Request request(64, 256, 256);
  ExpectError(Ask("exit 4", request), absl::StatusCode::kUnavailable, {"exited with status 4"});
  ExpectError(Ask("exec <&-; sleep 60", request), absl::StatusCode::kUnavailable, {"stopped reading"});
}

TEST(ExternalRewardTest, AHungProgramAndItsChildrenAreKilled) {
  const std::string file = Path("pid");
  const auto start = std::chrono::steady_clock::now();
  const Request request(2);
  ExternalReward reward = Reward("echo thinking >&2; sleep 60 & echo $! > " + file + "; wait", 0, 1.5);
  ExpectError(reward.Score(request.ids, request.maps), absl::StatusCode::kDeadlineExceeded,
              {"has not answered within 1.5 s in request 0, after 0 of 2 scores", "thinking"});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  int sleeper = 0;
  std::ifstream(file) >> sleeper;
  ASSERT_GT(sleeper, 0);
  // Gone, or a zombie that waits for its new parent.
  const auto alive = [sleeper] {
    std::string text, state;
    std::ifstream status("/proc/" + std::to_string(sleeper) + "/stat");
    status >> text >> text >> state;
    return status.good() && state != "Z" && kill(sleeper, 0) == 0;
  };
  for (int i = 0; i < 1000 && alive(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(alive());
}

TEST(ExternalRewardTest, WrongAnswersAreRefused) {
  const auto invalid = absl::StatusCode::kInvalidArgument;
  const Request request(3);
  ExpectError(Ask("echo hello world; cat > /dev/null", request), invalid,
              {"answered 'hello world' where 'scores 0 3' was expected"});
  ExpectError(Ask("echo scores 0 2; cat > /dev/null", request), invalid, {"answered 'scores 0 2' where 'scores 0 3'"});
  ExpectError(Ask(PythonScorer("word.py", "if i == 1: print('high')"), request), invalid,
              {"gave map 1 the score 'high', which is not a number"});
  ExpectError(Ask(PythonScorer("nan.py", "if i == 2: print('nan')"), request), invalid,
              {"gave map 2 the score nan, which is no number to learn from"});
  ExpectError(Ask(PythonScorer("infinite.py", "print('1e99')"), request), invalid, {"gave map 0 the score 1e99"});
  ExpectError(Ask(PythonScorer("many.py", "if i == 2: print(7)"), request), invalid,
              {"wrote '12' behind its 3 scores"});
  ExpectError(Ask("tr '\\0-\\377' x < /dev/zero", request), invalid, {"answered 'xxxx", "no line of an answer"});
  // Too few scores: the program goes on waiting for the next request, or ends.
  ExternalReward few = Reward("echo scores 0 3; echo 1; echo 2; cat > /dev/null", 0, 1.5);
  ExpectError(few.Score(request.ids, request.maps), absl::StatusCode::kDeadlineExceeded, {"after 2 of 3 scores"});
  ExpectError(Ask("echo scores 0 3; echo 1; head -c 100 > /dev/null", request), absl::StatusCode::kUnavailable,
              {"exited with status 0", "after 1 of 3 scores"});
}

// More than the pipes hold, in both directions: with answers while it still reads, after it has read everything, and
// with a standard error that nobody asked for.
TEST(ExternalRewardTest, LargeRequestsAndAnswersDoNotBlock) {
  const Request many(40000), large(40, 512, 512);
  EXPECT_EQ(Ask(PythonScorer("early.py", "print(end='', flush=i % 1000 == 0)"), many).value(), many.Expected(10));
  EXPECT_EQ(Ask(PythonScorer("large.py", "sys.stderr.write('.' * 10000)"), large).value(), large.Expected(10));
  const std::string late = Write("late.py", R"(
import sys
word, version, request, count, height, width = sys.stdin.buffer.readline().split()
scores = []
for i in range(int(count)):
    sys.stdin.buffer.readline()
    scores.append(sys.stdin.buffer.read(int(height) * int(width))[0] + 10)
sys.stdout.write(f"scores {int(request)} {int(count)}\n" + "".join(f"{score:.20f}\n" for score in scores))
)");
  EXPECT_EQ(Ask("python3 " + late, many).value(), many.Expected(10));
}

TEST(ExternalRewardTest, ARestartAsksTheSame) {
  const std::string file = Path("deaths");
  // Dies twice in the middle of a request; the request then goes to a new program, for which it is the first.
  const std::string deaths = "deaths = open('" + file + "', 'a+')\n" + "        deaths.seek(0)\n" +
                             "        if asked == 1 and i == 3 and len(deaths.read()) < 2:\n" +
                             "            deaths.write('x'); deaths.close(); os._exit(5)\n";
  const Request request(6);
  ExternalReward reward = Reward(PythonScorer("mortal.py", deaths), 1);
  for (int asked = 0; asked < 4; ++asked) {
    // Requests 0, 2 and then every other one are some program's first.
    EXPECT_EQ(reward.Score(request.ids, request.maps).value(), request.Expected(asked < 3 ? 10 : 110));
  }
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(std::ifstream(file).rdbuf()), {}), "xx");

  ExternalReward hopeless = Reward("exit 6", 2);
  ExpectError(hopeless.Score(request.ids, request.maps), absl::StatusCode::kUnavailable, {"exited with status 6"});
}

TEST(ExternalRewardTest, AProgramThatHangsOnceIsAskedAgain) {
  const std::string file = Path("hung");
  const Request request(2);
  ExternalReward reward = Reward(
      "test -e " + file + " || { touch " + file + "; sleep 60; }; echo scores 0 2; echo 3; echo 4.5; cat > /dev/null",
      1, 1.5);
  EXPECT_EQ(reward.Score(request.ids, request.maps).value(), (std::vector<float>{3, 4.5}));
}

}  // namespace
}  // namespace rl
