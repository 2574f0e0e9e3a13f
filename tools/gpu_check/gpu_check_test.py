"""gpu_check over programs of the test's own: what is found survives crashes, hangs and the deadline."""

import contextlib
import io
import json
import os
import stat
import sys
import tempfile
import unittest
from unittest import mock

import gpu_check
import kernel_times
import programs as p

# A program of GoogleTest: the tests of TESTS with what they do, its filter, list, shards, and a fault that stays with its process.
GTEST = '''#!{python} -IS
import fnmatch, os, signal, sys, time
TESTS = {tests}
options = dict(argument.lstrip("-").split("=", 1) for argument in sys.argv[1:] if "=" in argument)
names = [n for n in TESTS if fnmatch.fnmatch(n, options.get("gtest_filter", "*"))]
if "--gtest_list_tests" in sys.argv:
    suite = None
    for name in names:
        first, second = name.split(".")
        if first != suite:
            print(first + ".")
            suite = first
        print("  " + second + "  # GetParam() = 4")
    sys.exit(0)
shards, index = int(os.environ.get("GTEST_TOTAL_SHARDS", 1)), int(os.environ.get("GTEST_SHARD_INDEX", 0))
sticky, code = False, 0
for name in names[index::shards]:
    print("[ RUN      ] " + name, flush=True)
    what = TESTS[name]
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(1000)
    if what == "fault":
        sticky = True
    if what == "skip":
        print("why\\n[  SKIPPED ] " + name + " (0 ms)", flush=True)
    elif sticky or what == "fail":
        code = 1
        print("file.cc:1: Failure of " + name + "\\n[  FAILED  ] " + name + ", where GetParam() = 4 (0 ms)", flush=True)
    else:
        print("[       OK ] " + name + " (0 ms)", flush=True)
print("[  FAILED  ] 1 test, listed below:" if code else "[  PASSED  ]")
sys.exit(code)
'''

STEP = {"milliseconds_per_step": 12.5, "images_per_second": 1280.0, "arrays_peak_mib": 9000.0, "loss": 4.1, "fallbacks": 0}
OPERATION = {"operation": "copy", "shape": "x", "milliseconds": 1.0, "gigabytes_per_second": 3000.0, "share_of_copy": 1.0, "teraflops": 0}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def write_gtest(self, name, tests):
        self.write(name, GTEST.format(python=sys.executable, tests=repr(tests)))

    def write_program(self, name, *lines, code=0):
        # By the shell, which starts sooner than Python.
        self.write(name, "#!/bin/sh\ncat <<'END'\n%s\nEND\nexit %d\n" % ("\n".join(lines), code))

    def programs(self, seconds=100):
        return p.Programs(self.folder, p.Deadline(seconds), dict(os.environ))


class ProgramsTest(Case):
    def test_what_a_hanging_program_printed_is_kept(self):
        result = self.programs().run([sys.executable, "-u", "-c", "import time; print('before'); time.sleep(1000)"], 3)
        self.assertEqual(result.code, p.TIMED_OUT)
        self.assertEqual(result.output.strip(), "before")

    def test_what_it_has_started_ends_with_it(self):
        # The inner program would hold the output open.
        inner = "import subprocess, sys; print(1, flush=True); subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)'])"
        result = self.programs().run([sys.executable, "-c", inner], 3)
        self.assertEqual((result.code, result.output.strip()), (p.TIMED_OUT, "1"))

    def test_nothing_starts_after_the_deadline(self):
        now = [0.0]
        programs = p.Programs(self.folder, p.Deadline(10, clock=lambda: now[0]), dict(os.environ))
        command = [sys.executable, "-c", "pass"]
        self.assertEqual(programs.run(command, 60).code, 0)
        now[0] = 9.5
        self.assertIs(programs.run(command, 60).code, p.NOT_RUN)

    def test_a_program_that_is_not_there(self):
        self.assertEqual(self.programs().run(["./nothing"], 60).code, 127)

    def test_lines_that_were_cut_are_left_out(self):
        self.assertEqual(p.Result(0, 'x\n{"a": 1}\n{"b": ').json_lines(), [{"a": 1}])


class TestsTest(Case):
    def run_tests(self, tests, shards=1, test_filter="*", seconds=60):
        self.write_gtest("tests", tests)
        return p.run_tests(self.programs(), "tests", test_filter, seconds, shards)

    def test_all_pass_in_shards(self):
        tests = {"Suite.T%d" % i: "pass" for i in range(20)}
        results = self.run_tests(tests, shards=8)
        self.assertEqual(sorted(results.passed), sorted(tests))
        self.assertEqual((results.failed, results.skipped, results.lost, results.alone), ({}, {}, [], []))

    def test_filter(self):
        self.assertEqual(self.run_tests({"A.X": "pass", "B.X": "fail"}, test_filter="A.*").passed, ["A.X"])

    def test_a_crash_loses_one_test(self):
        results = self.run_tests({"S.A": "pass", "S.B": "crash", "S.C": "pass", "T/P.D/0": "pass"})
        self.assertEqual(sorted(results.passed), ["S.A", "S.C", "T/P.D/0"])
        self.assertEqual(list(results.failed), ["S.B"])
        self.assertIn("signal 11", results.failed["S.B"])
        self.assertEqual(sorted(results.alone), ["S.C", "T/P.D/0"])

    def test_a_fault_that_stays_does_not_accuse_the_tests_behind_it(self):
        results = self.run_tests({"S.A": "fault", "S.B": "pass", "S.C": "fail"})
        self.assertEqual((results.passed, results.alone), (["S.B"], ["S.B"]))
        self.assertEqual(sorted(results.failed), ["S.A", "S.C"])
        self.assertIn("Failure of S.C", results.failed["S.C"])

    def test_skips_are_told(self):
        self.assertEqual(self.run_tests({"S.A": "skip", "S.B": "pass"}).skipped, {"S.A": "why"})

    def test_a_hang_leaves_the_results_before_it(self):
        results = self.run_tests({"S.A": "pass", "S.B": "hang", "S.C": "pass"}, seconds=4)
        self.assertIn("S.A", results.passed)
        self.assertIn("S.B", results.lost + list(results.failed))

    def test_a_program_that_does_not_start(self):
        results = p.run_tests(self.programs(), "nothing", "*", 60)
        self.assertEqual(list(results.failed), ["nothing"])


NCU = '''==PROF== Connected
{"program": "ours"}
"ID","Process ID","Kernel Name","Block Size","dram__bytes.sum","gpu__time_duration.sum","smsp__inst_executed.sum"
"","","","","Mbyte","us","inst"
"0","7","void autograd::cuda::MapChannelsKernel<8, autograd::cuda::(anonymous namespace)::Map<float>>(Tasks, T2)","(32, 8, 1)","3.5","2.00","1,000"
"1","7","Other(int)","(32, 8, 1)","1","10","5"
"2","7","void autograd::cuda::MapChannelsKernel<8, autograd::cuda::(anonymous namespace)::Map<float>>(Tasks, T2)","(32, 8, 1)","0.5","2.00","1,000"
"3","7","Other'''


class KernelTimesTest(unittest.TestCase):
    def test_reads_what_is_complete(self):
        found = kernel_times.read(NCU)
        self.assertEqual([kernel["kernel"] for kernel in found], ["MapChannelsKernel<8, Map<float>>", "Other", "MapChannelsKernel<8, Map<float>>"])
        self.assertEqual(found[0], {"kernel": "MapChannelsKernel<8, Map<float>>", "time": 2000.0, "bytes": 3.5e6, "instructions": 1000.0})

    def test_sums_by_kernel(self):
        lines = kernel_times.table(kernel_times.read(NCU), 1)
        self.assertEqual(lines[0], "3 kernels a step, 0.01 ms of the device")
        self.assertTrue(lines[4].startswith("| `Other` | 1 | 0.010 | 71.4 % |"), lines[4])
        # 4 MB in 4 µs.
        self.assertIn("| 2 | 0.004 | 28.6 % | 1000 |", lines[5])

    def test_nothing(self):
        self.assertEqual(kernel_times.read("no such file"), [])


class CheckTest(Case):
    def setUp(self):
        super().setUp()
        passing = {"CudaTest.MatchesOnCuda": "pass", "S.cuda": "pass"}
        for name in ["cuda_tests", "device_test", "device_training_test", "nccl_test", "device_reward_test", "conv2d_cudnn_test",
                     "attention_cudnn_test"]:
            self.write_gtest(name, passing)
        self.write_program("training_step", json.dumps(STEP))
        self.write_program("operations", json.dumps(OPERATION))
        self.write_program("rss_pascal_context", "done")
        self.write_program("nvidia-smi", "name, driver_version", "Test Card, 1")
        self.write_program("compute-sanitizer", "ERROR SUMMARY: 0 errors")
        self.write_program("ncu", *NCU.splitlines())

    def check(self, *arguments):
        """The exit code and the report."""
        folder = os.path.join(self.folder, "report")
        path = self.folder + os.pathsep + os.environ["PATH"]
        with mock.patch.object(gpu_check, "HERE", self.folder), mock.patch.dict(os.environ, PATH=path, LD_LIBRARY_PATH="/of/the/owner"), \
                contextlib.redirect_stdout(io.StringIO()):
            code = gpu_check.main(["--report=" + folder, *arguments])
        with open(os.path.join(folder, "report.md")) as file:
            return code, file.read()

    def read(self, name):
        with open(os.path.join(self.folder, "report", name)) as file:
            return file.read()

    MOST = ["machine", "device", "operations_tests", "steps", "operations", "kernels", "end_to_end", "profile", "memcheck", "racecheck"]

    def test_everything_passes(self):
        code, report = self.check("--only", *self.MOST)
        self.assertEqual(code, 0, report)
        self.assertIn("everything that ran passed", report)
        self.assertIn("Test Card", report)
        self.assertIn("| 12.50 |", report)
        self.assertIn("MapChannelsKernel<8, Map<float>>", report)
        self.assertEqual(json.loads(self.read("steps.jsonl").splitlines()[0])["milliseconds_per_step"], 12.5)
        self.assertEqual(json.loads(self.read("operations.jsonl"))["card"], "Test Card")
        self.assertIn("[       OK ] CudaTest.MatchesOnCuda", self.read("tests.log"))
        self.assertLessEqual(len(os.listdir(os.path.join(self.folder, "report"))), 6)

    def test_the_owners_libraries_come_first(self):
        with mock.patch.dict(os.environ, LD_LIBRARY_PATH="/of/the/owner", NCCL_DEBUG="INFO"):
            variables, _ = gpu_check.environment()
        self.assertEqual(variables["LD_LIBRARY_PATH"].split(":")[0], "/of/the/owner")
        self.assertEqual((variables["NCCL_DEBUG"], variables["NCCL_SOCKET_IFNAME"]), ("INFO", "lo"))

    def test_steps_run_by_value_whatever_the_order_of_the_flags(self):
        _, report = self.check("--only", "operations", "device")
        self.assertLess(report.index("## device"), report.index("## operations"))

    def test_failures_do_not_stop_what_follows(self):
        self.write_gtest("cuda_tests", {"Grn.MatchesOnCuda": "crash", "Add.MatchesOnCuda": "pass"})
        self.write_program("training_step", "no device", code=3)
        self.write_program("operations", json.dumps(OPERATION), '{"cut', code=1)
        code, report = self.check("--only", *self.MOST)
        self.assertEqual(code, 1)
        self.assertIn("operations against the CPU: 1 passed, 1 failed", report)
        self.assertIn("ours, captured: exit code 3", report)
        self.assertIn("| copy | x | 1.000 | 3000 |", report)
        self.assertIn("memcheck: exit code 0", report)

    def test_a_skipped_test_is_a_failure(self):
        self.write_gtest("nccl_test", {"S.A": "skip"})
        code, report = self.check("--only", "device")
        self.assertEqual(code, 1)
        self.assertIn("NCCL, one GPU: 1 tests skipped", report)

    def test_losses_that_disagree(self):
        self.write("training_step", "#!%s\nimport sys, json\nline = %r\nline['loss'] = 9.0 if '--precision=float32' in sys.argv else 4.1\n"
                   "print(json.dumps(line))\n" % (sys.executable, STEP))
        code, report = self.check("--only", "steps")
        self.assertEqual(code, 1)
        self.assertIn("losses of three steps in bfloat16 and float32 differ by 4.9", report)

    def test_what_does_not_fit_is_listed(self):
        code, report = self.check("--deadline=0", "--only", "device", "steps")
        self.assertEqual(code, 0)
        self.assertIn("not run: device; steps", report)

    def test_a_hanging_step_ends_at_the_deadline(self):
        self.write("training_step", "#!%s\nimport time\ntime.sleep(1000)\n" % sys.executable)
        code, report = self.check("--deadline=4", "--only", "steps", "operations")
        self.assertEqual(code, 1)
        self.assertIn("ours: stopped after", report)
        self.assertIn("not run: ours, captured", report)


if __name__ == "__main__":
    unittest.main()
