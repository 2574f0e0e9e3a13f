"""Runs programs within a deadline, and GoogleTest's programs so that one crash loses one test."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time

TIMED_OUT, NOT_RUN = 124, None


class Deadline:
    """What is left of the time that everything may take."""

    def __init__(self, seconds, clock=time.monotonic):
        self._clock, self._end = clock, clock() + seconds

    def left(self):
        return self._end - self._clock()


class Result:
    """code: the exit status, negative for a signal; TIMED_OUT, or NOT_RUN where no time was left."""

    def __init__(self, code, output="", seconds=0.0):
        self.code, self.output, self.seconds = code, output, seconds

    def json_lines(self):
        found = []
        for line in self.output.splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:  # cut where the program ended
                    pass
        return found

    def reason(self):
        if self.code is NOT_RUN:
            return "not run: no time left"
        if self.code == TIMED_OUT:
            return "stopped after %.0f s" % self.seconds
        if self.code < 0:
            return "ended by signal %d" % -self.code
        return "exit code %d" % self.code


class Programs:
    """Starts the programs of a folder."""

    LEAST = 2  # seconds: with less left nothing is started

    def __init__(self, folder, deadline, environment):
        self.folder, self.deadline, self.environment = folder, deadline, environment

    def run(self, command, seconds, **variables):
        return self.run_all([(command, variables)], seconds)[0]

    def run_all(self, commands, seconds):
        """All (command, variables) at once, each for `seconds` or what the deadline leaves."""
        begin = time.monotonic()
        limit = min(seconds, self.deadline.left())
        if limit < min(self.LEAST, seconds):
            return [Result(NOT_RUN) for _ in commands]
        running = []
        try:
            for command, variables in commands:
                # A file and not a pipe, so that what was printed is there however the program ends.
                output = tempfile.TemporaryFile()
                try:
                    running.append((subprocess.Popen(command, cwd=self.folder, env=dict(self.environment, **variables), stdin=subprocess.DEVNULL,
                                                     stdout=output, stderr=subprocess.STDOUT, start_new_session=True), output))
                except OSError as error:
                    output.write(str(error).encode())
                    running.append((None, output))
            return [self._finish(process, output, begin, limit) for process, output in running]
        finally:
            for process, _ in running:
                self._kill(process)

    @staticmethod
    def _kill(process):
        # The programs that it has started too: they have its session.
        if process is None or process.returncode is not None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def _finish(self, process, output, begin, limit):
        code = 127
        if process is not None:
            try:
                code = process.wait(timeout=max(0.0, begin + limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(process)
                code = TIMED_OUT
        output.seek(0)
        text = output.read().decode(errors="replace")
        output.close()
        return Result(code, text, time.monotonic() - begin)


class TestResults:
    """passed: names; failed: messages by name; skipped: reasons by name; lost: names without a result.
    alone: names that passed in a process of their own after they had not beside others."""

    def __init__(self):
        self.passed, self.failed, self.skipped, self.lost, self.alone = [], {}, {}, [], []
        self.seconds, self.log = 0.0, ""


_LINE = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] ([^\s,]+\.[^\s,]+)")


def read_tests(output):
    """What GoogleTest printed: status and text by the name of the test; status "RUN" where it did not end."""
    found, text, current = {}, [], None
    for line in output.splitlines():
        match = _LINE.match(line)
        if match is None:
            text.append(line)
            continue
        status, name = match.groups()
        if status == "RUN":
            current, text = name, []
            found[name] = ("RUN", text)
        elif name == current:
            found[name] = (status, text)
            current = None
    return {name: (status, "\n".join(text)) for name, (status, text) in found.items()}


def list_tests(output):
    """The names that --gtest_list_tests printed."""
    names, suite = [], None
    for line in output.splitlines():
        line = line.split("#")[0].rstrip()
        if line.startswith("  ") and suite:
            names.append(suite + line.strip())
        elif re.fullmatch(r"[\w/]+\.", line):
            suite = line
    return names


def run_tests(programs, binary, test_filter, seconds, shards=1):
    """All tests of a program of GoogleTest. A fault in a kernel ends or spoils the rest of its process: what has not passed there is run
    again, each test in a process of its own that waits after each kernel, while `seconds` last."""
    results = TestResults()
    end = time.monotonic() + seconds
    listed = programs.run(["./" + binary, "--gtest_list_tests", "--gtest_filter=" + test_filter], min(60, seconds))
    results.log += listed.output
    names = list_tests(listed.output)
    if listed.code != 0 or not names:
        results.failed[binary] = "its tests cannot be listed, %s: %s" % (listed.reason(), listed.output[-2000:])
        return results
    shards = max(1, min(shards, len(names)))
    begin = time.monotonic()
    finished = programs.run_all([(["./" + binary, "--gtest_filter=" + test_filter],
                                  {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(i)}) for i in range(shards)],
                                max(1, end - time.monotonic()))
    found = {}
    for shard in finished:
        results.log += shard.output
        found.update(read_tests(shard.output))
    for name in names:
        status, text = found.get(name, ("", ""))
        if status == "OK":
            results.passed.append(name)
        elif status == "SKIPPED":
            results.skipped[name] = text.strip()
        else:
            _run_alone(programs, binary, name, end, results, status, text)
    results.seconds = time.monotonic() - begin
    return results


def _run_alone(programs, binary, name, end, results, status, text):
    left = end - time.monotonic()
    again = Result(NOT_RUN)
    if left > Programs.LEAST:
        again = programs.run(["./" + binary, "--gtest_filter=" + name], min(60, left), CUDA_LAUNCH_BLOCKING="1")
        results.log += again.output
    now, now_text = read_tests(again.output).get(name, ("", again.output))
    if now == "OK" and again.code == 0:
        results.passed.append(name)
        results.alone.append(name)
    elif now == "SKIPPED":
        results.skipped[name] = now_text.strip()
    elif again.code is NOT_RUN and status != "FAILED":
        results.lost.append(name)
    else:
        shown = now_text if again.code is not NOT_RUN else text
        results.failed[name] = "%s\n%s" % (again.reason(), shown.strip()[-1500:])
