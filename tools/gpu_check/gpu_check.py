#!/usr/bin/env python3
"""Checks this project on a machine with a CUDA device: correctness, then speed, the most valuable first.

    python3 gpu_check.py [--report FOLDER] [--deadline SECONDS] [--only STEP ...] [--camvid FOLDER]

Needs the driver and Python 3, nothing else: the programs lie beside this file, where pack.sh put them. Uses compute-sanitizer, Nsight
Compute (ncu) and PyTorch where they are installed and says so where they are not. Everything ends before the deadline; what did not fit is
listed as not run, and `--only` with those steps runs it in a second visit. A step that fails does not stop the others. Into the report's
folder go report.md, tests.log (what the tests printed), steps.jsonl and operations.jsonl (each measurement), ncu.csv and profile.txt; all
grow as the check goes on. Exits with 1 when something failed.
"""

import argparse
import glob
import json
import math
import os
import platform
import shutil
import site
import sys
import time

import kernel_times
import programs as p

HERE = os.path.dirname(os.path.abspath(__file__))
TRAINING = ["--model=nano", "--size=512", "--batch=16", "--device=cuda"]
TESTS = "*MatchesOnCuda*"


def environment():
    # cuBLASLt, cuDNN and NCCL as Python's packages (PyTorch's, say) bring them, where no toolkit does; behind what the machine's owner has
    # set. The programs find their own libraries in lib/ by themselves.
    packaged = sorted({folder for path in site.getsitepackages() + sys.path for folder in glob.glob(os.path.join(path, "nvidia", "*", "lib"))})
    libraries = ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), *packaged]))
    # NCCL looks for an interface even in a world of one; a machine may have none but the loopback.
    return {"NCCL_SOCKET_IFNAME": "lo", "NCCL_DEBUG": "WARN", **os.environ, "LD_LIBRARY_PATH": libraries}, packaged


def find_tool(name, patterns):
    found = shutil.which(name)
    return found or next((path for pattern in patterns for path in sorted(glob.glob(pattern), reverse=True)), None)


class Report:
    def __init__(self, folder):
        self.folder, self.lines, self.failed, self.not_run, self.summary, self.card = folder, [], [], [], [], "no card"
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def add(self, *lines):
        for line in lines:
            self.lines.append(line)
            print(line, flush=True)
        # Written as it grows, so that a machine taken away leaves what was found.
        with open(self.path("report.md"), "w") as file:
            file.write("\n".join(self.lines) + "\n")

    def append(self, name, text):
        with open(self.path(name), "a") as file:
            file.write(text)

    def heading(self, text):
        self.add("", "## " + text, "")

    def fail(self, what):
        self.failed.append(what)
        self.add("**FAILED**: " + what)

    def done(self, what, result):
        """Whether the program ended well; notes why not."""
        if result.code is p.NOT_RUN:
            self.not_run.append(what)
            self.add(what + ": not run")
        elif result.code != 0:
            self.add("```", result.output[-3000:].strip(), "```")
            self.fail("%s: %s" % (what, result.reason()))
        return result.code == 0


# What opened which library, and its version, as the programs will find them.
LIBRARIES = """
import ctypes
for name, function in [("libcublasLt.so.13", "cublasLtGetVersion"), ("libcudnn.so.9", "cudnnGetVersion"), ("libnccl.so.2", "ncclGetVersion")]:
    try:
        library = ctypes.CDLL(name)
        call = getattr(library, function)
        call.restype = ctypes.c_size_t
        version = ctypes.c_int()
        number = call(ctypes.byref(version)) if name.startswith("libnccl") else call()
        path = next((line.split()[-1] for line in open("/proc/self/maps") if name.split(".so")[0] in line), "?")
        print("%s: %d, %s" % (name, version.value or number, path))
    except OSError as error:
        print("%s: %s" % (name, error))
"""


def machine(report, run, options):
    report.add("host: %s, %s, %d CPUs" % (platform.platform(), platform.processor() or platform.machine(), os.cpu_count()))
    result = run.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm,power.limit", "--format=csv"], 60)
    report.add("```", result.output.strip(), "```")
    if report.done("nvidia-smi", result) and len(result.output.splitlines()) > 1:
        report.card = result.output.splitlines()[1].split(",")[0]
    report.add("```", run.run([sys.executable, "-c", LIBRARIES], 60).output.strip(), "```",
               "CUDA libraries of Python packages: " + (", ".join(options.packaged) or "none"))
    for path in sorted(glob.glob(os.path.join(HERE, "*"))):
        if not os.path.isfile(path) or not os.access(path, os.X_OK) or path.endswith(".py"):
            continue
        missing = [line.strip() for line in run.run(["ldd", path], 20).output.splitlines() if "not found" in line]
        if missing:
            report.fail("%s: %s" % (os.path.basename(path), "; ".join(missing)))
    for name, path in [("compute-sanitizer", options.sanitizer), ("ncu", options.ncu)]:
        report.add("%s: %s" % (name, path or "not there"))


def tests_of(report, run, binary, test_filter, seconds, label, shards=1):
    if run.deadline.left() < p.Programs.LEAST:
        report.not_run.append(label)
        return
    results = p.run_tests(run, binary, test_filter, min(seconds, run.deadline.left()), shards)
    report.append("tests.log", "==== %s\n%s\n" % (binary, results.log))
    report.add("%s: %d passed, %d failed, %d skipped, %d without a result, %.0f s" % (
        label, len(results.passed), len(results.failed), len(results.skipped), len(results.lost), results.seconds))
    report.summary.append("| %s | %d of %d |" % (label, len(results.passed), len(results.passed) + len(results.failed) + len(results.skipped) +
                                                len(results.lost)))
    for name, message in list(results.failed.items())[:30]:
        report.add("- %s" % name, "```", message, "```")
    if results.alone:
        report.add("- passed in a process of their own, behind the fault of another: " + ", ".join(results.alone[:40]))
    for reason in sorted(set(results.skipped.values()))[:10]:
        report.add("- skipped: " + reason.splitlines()[-1] if reason else "- skipped")
    for what, names in [("failed", results.failed), ("skipped, which nothing may be here", results.skipped)]:
        if names:
            report.fail("%s: %d tests %s" % (label, len(names), what))
    if results.lost:
        report.not_run.append("%s: %s" % (label, ", ".join(results.lost[:20])))


def device(report, run, options):
    tests_of(report, run, "device_test", "*Cuda*", 60, "device")
    tests_of(report, run, "device_training_test", "*cuda*", 120, "whole steps, recorded and not")
    tests_of(report, run, "nccl_test", "*", 60, "NCCL, one GPU")
    tests_of(report, run, "device_reward_test", "*", 60, "rewards")
    tests_of(report, run, "conv2d_cudnn_test", "*", 60, "cuDNN's descriptions of convolutions")
    tests_of(report, run, "attention_cudnn_test", "*", 60, "cuDNN's descriptions of attention")


def operations_tests(report, run, options):
    tests_of(report, run, "cuda_tests", TESTS, 200, "operations against the CPU", shards=min(8, os.cpu_count()))


def step(report, run, name, command, seconds):
    """One line of a training program, or None."""
    result = run.run(command, seconds)
    found = result.json_lines()
    if not report.done(name, result) or not found:
        return None
    report.append("steps.jsonl", json.dumps(dict(found[-1], name=name, card=report.card)) + "\n")
    return found[-1]


def row(report, name, line):
    report.add("| %s | %.2f | %.1f | %s | %s | %s |" % (name, line["milliseconds_per_step"], line["images_per_second"],
               line.get("arrays_peak_mib", "–"), line.get("loss", "–"), line.get("fallbacks", "–")))
    report.summary.append("| %s, ms a step | %.2f |" % (name, line["milliseconds_per_step"]))


def rows(report, run, commands, seconds):
    report.add("%s, SFPNeXt-Nano, 512², batch 16, 59 classes" % report.card, "",
               "| program | ms a step | images/s | peak MiB of arrays | loss | calls left to our own kernels |", "|---|---|---|---|---|---|")
    for name, command in commands.items():
        line = step(report, run, name, command, seconds)
        if line is not None:
            row(report, name, line)
            if not math.isfinite(float(line.get("loss", 0))):
                report.fail("%s: the loss is %s" % (name, line["loss"]))


def ours(*arguments, precision="bfloat16", steps=20, warmup=5):
    return ["./training_step", *TRAINING, "--precision=" + precision, "--steps=%d" % steps, "--warmup=%d" % warmup, *arguments]


def steps(report, run, options):
    rows(report, run, {
        "ours": ours(),
        "ours, captured": ours("--capture"),
        "ours, measured plans, captured": ours("--measure_plans", "--capture"),
        "ours, RSS, measured plans, captured": ours("--loss=rss", "--measure_plans", "--capture"),
    }, 60)
    # The same three steps in both precisions: the only check of numbers at the size that people train with.
    losses = {}
    for precision in ("bfloat16", "float32"):
        line = step(report, run, "three steps in " + precision, ours(precision=precision, steps=3, warmup=0), 90)
        if line is not None:
            losses[precision] = float(line["loss"])
    if len(losses) == 2:
        difference = abs(losses["bfloat16"] - losses["float32"])
        report.add("", "Loss after three steps: %.4f in bfloat16, %.4f in float32, apart by %.4f" % (
            losses["bfloat16"], losses["float32"], difference))
        # Activations round to 2^-8 at each of some fifty layers in a row, in both directions.
        if not difference < math.sqrt(50) * 2**-8 * abs(losses["float32"]):
            report.fail("losses of three steps in bfloat16 and float32 differ by %g" % difference)


def operations(report, run, options, precision="bfloat16"):
    result = run.run(["./operations", "--device=cuda", "--precision=" + precision], 120)
    lines = result.json_lines()
    report.done("operations by themselves, " + precision, result)
    report.append("operations.jsonl", "".join(json.dumps(dict(line, precision=precision, card=report.card)) + "\n" for line in lines))
    if lines:
        report.add("%s, %s" % (report.card, precision), "", "| operation | shape | ms | GB/s | of copy | TFLOP/s |", "|---|---|---|---|---|---|")
    for line in lines:
        report.add("| %s | %s | %.3f | %.0f | %.2f | %s |" % (line["operation"], line["shape"], line["milliseconds"], line["gigabytes_per_second"],
                   line["share_of_copy"], "%.1f" % line["teraflops"] if line["teraflops"] else "–"))


def kernels(report, run, options):
    if options.ncu is None:
        report.add("ncu is not installed: not run")
        return
    result = run.run([options.ncu, "--clock-control", "none", "--metrics", ",".join(kernel_times.METRICS), "--csv", "--page", "raw",
                      *ours(steps=1, warmup=1)], 150)
    report.append("ncu.csv", result.output)
    found = kernel_times.read(result.output)
    report.done("kernels of a step", result)
    if found:
        report.add(report.card + ", two steps, the first with what is done once", "", *kernel_times.table(found, 2))


def profile(report, run, options):
    result = run.run(ours("--profile", steps=5, warmup=2), 120)
    report.append("profile.txt", result.output)
    if report.done("profile", result):
        report.add("Operations (each waits for the device when profiled):", "```", result.output[:5000].strip(), "```")


def has_torch(run):
    return run.run([sys.executable, "-c", "import torch, timm"], 60).code == 0


def torch(*arguments, precision="bfloat16"):
    return [sys.executable, "performance/pytorch_step.py", *arguments, *TRAINING, "--precision=" + precision, "--steps=20", "--warmup=5"]


def pytorch(report, run, options):
    if not has_torch(run):
        report.add("PyTorch or timm is not installed: not run")
        return
    rows(report, run, {"PyTorch": torch("--benchmark")}, 120)
    # The lines of this card that `operations` has left; those of ours are not measured again.
    found = report.path("operations.jsonl")
    command = [sys.executable, "performance/compare_operations.py", "--ours=" + (found if os.path.exists(found) else "./operations"),
               "--device=cuda", "--precision=bfloat16"]
    result = run.run(command, 150)
    report.add("", result.output.strip())
    report.done("PyTorch's operations", result)


def compiled(report, run, options):
    if not has_torch(run):
        report.add("PyTorch or timm is not installed: not run")
        return
    rows(report, run, {"PyTorch, torch.compile": torch("--compile")}, 150)


def train(report, run, label, arguments, seconds, **variables):
    command = ["./rss_pascal_context", *arguments]
    result = run.run(command, seconds, **variables)
    shown = " ".join(["%s=%s" % pair for pair in variables.items()] + command)
    report.add("`%s`: %s, %.0f s" % (shown, result.reason(), result.seconds), "```", result.output[-1500:].strip(), "```")
    report.done(label, result)


def end_to_end(report, run, options):
    common = ["--steps=60", "--evaluate_every=0"]
    train(report, run, "end to end on cuda", ["--device=cuda", *common, "--output=runs/cuda"], 120)
    # As a launcher would start it: a world of one GPU.
    train(report, run, "end to end in a launched world", ["--device=cuda", *common, "--method=rss_image", "--output=runs/launched"], 120,
          RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")
    train(report, run, "end to end on the CPU", ["--device=cpu", *common, "--output=runs/cpu"], 120)


def float32(report, run, options):
    commands = {"ours, float32": ours(precision="float32")}
    if has_torch(run):
        commands["PyTorch, float32"] = torch("--benchmark", precision="float32")
    rows(report, run, commands, 120)
    operations(report, run, options, "float32")


def sanitize(report, run, options, kind):
    if options.sanitizer is None:
        report.add("compute-sanitizer is not installed: not run")
        return
    # Our own kernels: those of the libraries are many, slow under it, and not ours to mend.
    result = run.run([options.sanitizer, "--tool", kind, "--error-exitcode", "9", "--kernel-name", "kernel_substring=autograd", "./cuda_tests",
                      "--gtest_brief=1", "--gtest_filter=" + TESTS], 500, AUTOGRAD_EXACT_MEMORY="1")
    report.add("%s: %s, %.0f s" % (kind, result.reason(), result.seconds), "```", result.output[-1500:].strip(), "```")
    report.done("compute-sanitizer " + kind, result)


def camvid(report, run, options):
    """Labels, pixel rewards and image rewards on CamVid at full size; curves and pictures are in the runs' folders."""
    if options.camvid is None:
        report.add("--camvid was not given: not run")
        return
    data = ["--device=cuda", "--precision=bfloat16", "--capture", "--dataset=camvid", "--data_root=" + os.path.abspath(options.camvid),
            "--model=nano", "--image_scale=1", "--crop=352", "--steps=%d" % options.camvid_steps]
    for method in ["psl", "rss_pixel", "rss_image"]:
        train(report, run, "CamVid, " + method, [*data, "--method=" + method, "--output=runs/camvid_" + method], 1200)


# By value: what is first is worth most if the time is short.
STEPS = {
    "machine": machine,
    "device": device,
    "operations_tests": operations_tests,
    "steps": steps,
    "operations": operations,
    "kernels": kernels,
    "pytorch": pytorch,
    "end_to_end": end_to_end,
    "profile": profile,
    "compiled": compiled,
    "float32": float32,
    "memcheck": lambda report, run, options: sanitize(report, run, options, "memcheck"),
    "racecheck": lambda report, run, options: sanitize(report, run, options, "racecheck"),
    "camvid": camvid,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", default="gpu_check_report", metavar="FOLDER")
    parser.add_argument("--deadline", type=float, default=520, metavar="SECONDS", help="for everything together")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--camvid", metavar="FOLDER", help="CamVid's files, for training on real photographs")
    parser.add_argument("--camvid_steps", type=int, default=2000)
    options = parser.parse_args(arguments)
    variables, options.packaged = environment()
    options.sanitizer = find_tool("compute-sanitizer", ["/usr/local/cuda*/bin/compute-sanitizer", "/opt/nvidia/compute-sanitizer/compute-sanitizer"])
    options.ncu = find_tool("ncu", ["/usr/local/cuda*/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu"])
    report = Report(os.path.abspath(options.report))
    run = p.Programs(HERE, p.Deadline(options.deadline), variables)
    report.add("# GPU check, %s" % time.strftime("%Y-%m-%d %H:%M"))
    for name in STEPS:
        if name not in options.only:
            continue
        if run.deadline.left() < p.Programs.LEAST:
            report.not_run.append(name)
            continue
        report.heading(name.replace("_", " "))
        try:
            STEPS[name](report, run, options)
        except Exception as error:  # a step that this script does not understand must not lose the others
            report.fail("%s: %s: %s" % (name, type(error).__name__, error))
    report.heading("result")
    report.add("| %s | |" % report.card, "|---|---|", *report.summary, "")
    report.add("not run: " + ("; ".join(report.not_run) or "nothing"))
    report.add("**FAILED**: " + "; ".join(report.failed) if report.failed else "everything that ran passed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
