#pragma once

// A program that runs beside this one and talks through pipes. POSIX.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace rl {

class ChildProcess {
 public:
  // `/bin/sh -c command` in `directory` (empty: ours) and in a process group of its own, so that a Ctrl-C at the
  // terminal is not meant for it. A shell that does not find the command exits with status 127.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::string& command, const std::string& directory);
  // Closes the program's standard input and gives it a second to end by itself; then the whole group is killed.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Our ends of its standard streams, all non-blocking.
  int input() const { return input_; }
  int output() const { return output_; }
  int errors() const { return errors_; }

  // As write(2), but never a SIGPIPE: EPIPE says that the program reads no more.
  ssize_t Write(const char* bytes, size_t size) const;

  // Waits up to `patience` seconds for the program to end, kills what is left of the group, and says how the program
  // ended: "exited with status 3", "was killed by signal 11 (Segmentation fault)", or, when it had to be killed, "was
  // still running".
  std::string End(double patience);

 private:
  ChildProcess(pid_t pid, int input, int output, int errors)
      : pid_(pid), input_(input), output_(output), errors_(errors) {}
  void CloseInput();

  pid_t pid_;  // also of the group; 0 when it has been reaped
  int input_, output_, errors_;
};

}  // namespace rl
