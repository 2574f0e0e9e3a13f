#!/usr/bin/env python3
"""Checks this project on a machine with a CUDA device: correctness, then speed, into one report.

    python3 gpu_check.py [--report FILE] [--quick] [--only STEP ...] [--camvid FOLDER]

Needs the driver and Python 3, nothing else: the programs lie beside this file, where pack.sh put them. Uses compute-sanitizer and
PyTorch where they are installed and says so where they are not. Every step has a time limit; a step that fails does not stop the others.
Exits with 1 when a test failed.
"""

import argparse
import glob
import json
import os
import platform
import shutil
import site
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# cuBLASLt, cuDNN and NCCL as Python's packages (PyTorch's, say) bring them, where no toolkit does; behind what the machine's owner has set. The
# programs find their own libraries in lib/ by themselves.
PACKAGED = sorted({folder for path in site.getsitepackages() + sys.path for folder in glob.glob(os.path.join(path, "nvidia", "*", "lib"))})
ENVIRONMENT = dict(os.environ, LD_LIBRARY_PATH=":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), *PACKAGED])))


def run(command, seconds, **variables):
    """(exit code, output, seconds); 124 when the time was up."""
    begin = time.monotonic()
    try:
        done = subprocess.run(command, cwd=HERE, env=dict(ENVIRONMENT, **variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=seconds)
        return done.returncode, done.stdout, time.monotonic() - begin
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        return 124, output.decode(errors="replace") if isinstance(output, bytes) else output, time.monotonic() - begin
    except OSError as error:
        return 127, str(error), 0.0


class Report:
    def __init__(self, path):
        self.path, self.lines, self.failed = path, [], []

    def add(self, *lines):
        for line in lines:
            self.lines.append(line)
            print(line, flush=True)
        # Written as it grows, so that a machine taken away leaves what was found.
        with open(self.path, "w") as file:
            file.write("\n".join(self.lines) + "\n")

    def heading(self, text):
        self.add("", "## " + text, "")

    def fail(self, what):
        self.failed.append(what)
        self.add("**FAILED**: " + what)


def machine(report, _):
    report.add("host: %s, %s, %d CPUs" % (platform.platform(), platform.processor() or platform.machine(), os.cpu_count()))
    code, output, _ = run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm,power.limit",
                           "--format=csv"], 60)
    report.add("```", output.strip(), "```")
    if code != 0:
        report.fail("nvidia-smi: exit code %d" % code)
    code, output, _ = run([sys.executable, "-c", "import torch; print(torch.__version__, torch.version.cuda, torch.backends.cudnn.version())"], 300)
    report.add("PyTorch: " + (output.strip().splitlines()[-1] if code == 0 else "not there"))
    report.add("CUDA libraries of Python packages: " + (", ".join(PACKAGED) or "none"))
    report.add("compute-sanitizer: " + (shutil.which("compute-sanitizer") or "not there"))


def gtest(report, binary, arguments, seconds, label):
    results = os.path.join(HERE, binary + ".json")
    if os.path.exists(results):
        os.remove(results)
    code, output, took = run(["./" + binary, "--gtest_output=json:" + results, "--gtest_brief=1", *arguments], seconds)
    if not os.path.exists(results):
        report.add("```", output[-6000:], "```")
        report.fail("%s: exit code %d and no results" % (label, code))
        return
    passed, failed, skipped = 0, [], 0
    # GoogleTest's file does not say why a test was skipped, its output does.
    lines = output.splitlines()
    reasons = sorted({lines[i + 1].strip() for i, line in enumerate(lines[:-1]) if line.endswith(": Skipped")})
    with open(results) as file:
        for suite in json.load(file)["testsuites"]:
            for test in suite["testsuite"]:
                name = suite["name"] + "." + test["name"]
                if "failures" in test:
                    failed.append((name, test["failures"][0]["failure"]))
                elif test.get("result") == "SKIPPED" or "skipped" in test:
                    skipped += 1
                else:
                    passed += 1
    report.add("%s: %d passed, %d failed, %d skipped, %.0f s" % (label, passed, len(failed), skipped, took))
    for reason in reasons:
        report.add("- skipped: " + reason)
    for name, message in failed[:40]:
        report.add("- %s" % name, "```", message[:1500], "```")
    if passed == 0:
        report.fail(label + ": no test ran")
    if failed or code not in (0, 1):
        report.fail("%s: %d tests, exit code %d" % (label, len(failed), code))


def tests(report, options):
    gtest(report, "cuda_tests", ["--gtest_filter=*MatchesOnCuda*"], 400, "operations against the CPU")
    gtest(report, "device_test", [], 100, "device")
    gtest(report, "device_training_test", ["--gtest_filter=*cuda*"], 200, "whole steps, recorded and not")
    gtest(report, "device_reward_test", [], 100, "rewards")
    gtest(report, "nccl_test", [], 100, "NCCL, one GPU")
    gtest(report, "conv2d_cudnn_test", [], 100, "cuDNN's descriptions of convolutions")
    gtest(report, "attention_cudnn_test", [], 100, "cuDNN's descriptions of attention")


def sanitizer(report, options):
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        report.add("compute-sanitizer is not installed: not run")
        return
    for kind in ["memcheck", "racecheck"] if not options.quick else ["memcheck"]:
        code, output, took = run([tool, "--tool", kind, "--error-exitcode", "9", "./cuda_tests", "--gtest_brief=1",
                                  "--gtest_filter=*MatchesOnCuda*"], 500)
        report.add("%s: exit code %d, %.0f s" % (kind, code, took), "```", output[-1500:].strip(), "```")
        if code != 0:
            report.fail("compute-sanitizer " + kind)


def train(report, label, arguments, seconds, **variables):
    command = ["./rss_pascal_context", *arguments]
    code, output, took = run(command, seconds, **variables)
    shown = " ".join(["%s=%s" % pair for pair in variables.items()] + command)
    report.add("`%s`: exit code %d, %.0f s" % (shown, code, took), "```", output[-1800:].strip(), "```")
    if code != 0:
        report.fail(label)


def end_to_end(report, options):
    steps = 60 if options.quick else 300
    common = ["--steps=%d" % steps, "--evaluate_every=0"]
    train(report, "end to end on cuda", ["--device=cuda", *common, "--output=runs/cuda"], 400)
    # As a launcher would start it: a world of one GPU.
    train(report, "end to end in a launched world", ["--device=cuda", *common, "--method=rss_image", "--output=runs/launched"], 400,
          RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")
    if not options.quick:
        train(report, "end to end on the CPU", ["--device=cpu", *common, "--output=runs/cpu"], 400)


def camvid(report, options):
    """Labels, pixel rewards and image rewards on CamVid at full size; curves and pictures are in the runs' folders."""
    if options.camvid is None:
        report.add("--camvid was not given: not run")
        return
    data = ["--device=cuda", "--precision=bfloat16", "--capture", "--dataset=camvid", "--data_root=" + os.path.abspath(options.camvid),
            "--model=nano", "--image_scale=1", "--crop=352", "--steps=%d" % (60 if options.quick else options.camvid_steps)]
    for method in ["psl", "rss_pixel", "rss_image"]:
        train(report, "CamVid, " + method, [*data, "--method=" + method, "--output=runs/camvid_" + method], 1200)


def one_json(command, seconds):
    code, output, _ = run(command, seconds)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if code == 0 and lines else {"error": "exit code %d: %s" % (code, output[-400:].strip())}


def speed(report, options):
    """The training step beside PyTorch, in turns."""
    cases = [("nano", 512, 16, "bfloat16"), ("nano", 512, 16, "float32")]
    if options.quick:
        cases = cases[:1]
    slow = []
    has_torch = run([sys.executable, "-c", "import torch, timm"], 300)[0] == 0
    report.add("| case | program | ms a step | images/s | peak MiB of arrays |", "|---|---|---|---|---|")
    for model, size, batch, precision in cases:
        common = ["--model=" + model, "--size=%d" % size, "--batch=%d" % batch, "--steps=20", "--warmup=5", "--device=cuda", "--precision=" + precision]
        programs = {
            "ours": ["./training_step", *common],
            "ours, measured plans": ["./training_step", "--measure_plans", *common],
            "ours, measured plans, captured": ["./training_step", "--measure_plans", "--capture", *common],
            "ours, RSS image-level loss": ["./training_step", "--loss=rss", *common],
            "ours, RSS image-level loss, measured plans, captured":
                ["./training_step", "--loss=rss", "--measure_plans", "--capture", *common],
        }
        if has_torch:
            programs["PyTorch"] = [sys.executable, "performance/pytorch_step.py", "--benchmark", *common]
            programs["PyTorch, torch.compile"] = [sys.executable, "performance/pytorch_step.py", "--compile", *common]
        for name, command in programs.items():
            result = one_json(command, 400)
            if "error" in result:
                report.add("| %s %d² × %d %s | %s | %s | | |" % (model, size, batch, precision, name, result["error"].replace("\n", " ")[-300:]))
                if name.startswith("ours"):
                    report.fail("benchmark of " + name)
                continue
            report.add("| %s %d² × %d %s | %s | %.2f | %.1f | %s |" % (model, size, batch, precision, name, result["milliseconds_per_step"],
                       result["images_per_second"], result.get("arrays_peak_mib")))
            if result.get("fallbacks"):
                slow.append("%s, %s" % (name, precision))
    if slow:
        report.add("", "In these, calls went to our own kernels that cuDNN was to take (the profile says which): " + "; ".join(slow))
    if not has_torch:
        report.add("", "PyTorch or timm is not installed: no comparison")
    for precision in ["bfloat16", "float32"] if not options.quick else ["bfloat16"]:
        code, output, _ = run([sys.executable, "performance/compare_operations.py", "--ours=./operations", "--device=cuda", "--precision=" + precision], 400)
        report.add("", "Operations by themselves, " + output.strip())
        if code != 0:
            report.fail("operations by themselves, " + precision)
    code, output, _ = run(["./training_step", "--profile", "--model=nano", "--size=512", "--batch=16", "--steps=5", "--device=cuda", "--precision=bfloat16"], 300)
    report.add("", "Profile (each kernel waits for the device when profiled):", "```", output[:6000].strip(), "```")


STEPS = {"machine": machine, "tests": tests, "sanitizer": sanitizer, "end_to_end": end_to_end, "speed": speed, "camvid": camvid}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", default="gpu_check_report.md")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--camvid", metavar="FOLDER", help="CamVid's files, for training on real photographs")
    parser.add_argument("--camvid_steps", type=int, default=2000)
    options = parser.parse_args()
    report = Report(options.report)
    report.add("# GPU check, %s" % time.strftime("%Y-%m-%d %H:%M"))
    for name in options.only:
        report.heading(name.replace("_", " "))
        STEPS[name](report, options)
    report.heading("result")
    report.add("; ".join(report.failed) if report.failed else "everything passed")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
