#include "rl/rollouts/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace rl {
namespace {

constexpr double kPatience = 1;  // of the destructor, in seconds

struct Pipe {
  int read = -1, write = -1;

  ~Pipe() {
    if (read >= 0) close(read);
    if (write >= 0) close(write);
  }
  // Both ends close on exec, so that no other child holds them open.
  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0];
    write = ends[1];
    return true;
  }
};

int Keep(int& end) {
  fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK);
  return std::exchange(end, -1);
}

std::string HowItEnded(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return absl::StrCat("exited with status ", info.si_status);
  return absl::StrCat("was killed by signal ", info.si_status, " (", strsignal(info.si_status), ")");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::string& command,
                                                                  const std::string& directory) {
  Pipe input, output, errors;
  if (!input.Open() || !output.Open() || !errors.Open())
    return absl::ResourceExhaustedError(absl::StrCat("no pipe for '", command, "': ", strerror(errno)));

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, errors.write, STDERR_FILENO);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&files, directory.c_str());

  // The program starts with the signals as every program expects them.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const char* arguments[] = {"sh", "-c", command.c_str(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/bin/sh", &files, &attributes, const_cast<char* const*>(arguments), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return absl::UnavailableError(absl::StrCat("cannot start '", command, "': ", strerror(error)));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, Keep(input.write), Keep(output.read), Keep(errors.read)));
}

ChildProcess::~ChildProcess() {
  End(kPatience);
  close(output_);
  close(errors_);
}

void ChildProcess::CloseInput() {
  if (input_ >= 0) close(std::exchange(input_, -1));
}

ssize_t ChildProcess::Write(const char* bytes, size_t size) const {
  // The signal goes to the writing thread; it is held back there, and taken away when it came.
  sigset_t broken_pipe, before;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  const ssize_t written = write(input_, bytes, size);
  const int error = errno;
  if (written < 0 && error == EPIPE) {
    const timespec at_once = {};
    sigtimedwait(&broken_pipe, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

std::string ChildProcess::End(double patience) {
  CloseInput();
  if (pid_ == 0) return "has ended";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
  siginfo_t info;
  for (;;) {
    info = {};
    // It stays a zombie, and its number the group's, until the rest of the group is killed.
    const bool known = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    if (!known || info.si_pid != 0 || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const std::string ended = info.si_pid != 0 ? HowItEnded(info) : "was still running";
  kill(-pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return ended;
}

}  // namespace rl
