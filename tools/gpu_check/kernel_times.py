"""The kernels of a step, from what Nsight Compute (ncu --csv --page raw) printed."""

import csv
import re

METRICS = {"gpu__time_duration.sum": "time", "dram__bytes.sum": "bytes", "smsp__inst_executed.sum": "instructions"}
# Units that ncu may choose, in nanoseconds, bytes and instructions.
UNITS = {"": 1, "inst": 1, "nsecond": 1, "ns": 1, "usecond": 1e3, "us": 1e3, "msecond": 1e6, "ms": 1e6, "second": 1e9, "s": 1e9,
         "byte": 1, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9}


def short_name(name):
    """Without arguments and namespaces, but with template arguments."""
    name = re.sub(r"\(anonymous namespace\)::|autograd::|cuda::|^void ", "", name)
    depth = 0
    for i, character in enumerate(name):
        depth += (character == "<") - (character == ">")
        if character == "(" and depth == 0:
            return name[:i]
    return name


def read(text):
    """[{"kernel", "time" in ns, "bytes", "instructions"}] in the order of the launches."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        return []
    rows = list(csv.reader(lines[start:]))
    if len(rows) < 2:
        return []
    header, units = rows[0], rows[1]
    columns = {header.index(metric): name for metric, name in METRICS.items() if metric in header}
    kernels = []
    for row in rows[2:]:
        if len(row) != len(header):  # cut where the program ended
            continue
        try:
            kernel = {name: float(row[i].replace(",", "")) * UNITS[units[i]] for i, name in columns.items()}
        except (KeyError, ValueError):
            continue
        kernel["kernel"] = short_name(row[header.index("Kernel Name")])
        kernels.append(kernel)
    return kernels


def table(kernels, steps, most=60):
    """Lines of Markdown: kernels by their time, for one of `steps` equal steps."""
    sums = {}
    for kernel in kernels:
        entry = sums.setdefault(kernel["kernel"], {"calls": 0, "time": 0.0, "bytes": 0.0, "instructions": 0.0})
        entry["calls"] += 1
        for name in METRICS.values():
            entry[name] += kernel.get(name, 0.0)
    total = sum(entry["time"] for entry in sums.values())
    lines = ["%d kernels a step, %.2f ms of the device" % (len(kernels) // steps, total / steps / 1e6), "",
             "| kernel | calls | ms | share | GB/s | G warp instructions/s |", "|---|---|---|---|---|---|"]
    for name, entry in sorted(sums.items(), key=lambda item: -item[1]["time"])[:most]:
        time = entry["time"] or 1.0
        lines.append("| `%s` | %g | %.3f | %.1f %% | %.0f | %.0f |" % (
            name[:150].replace("|", "/"), entry["calls"] / steps, entry["time"] / steps / 1e6, 100 * entry["time"] / (total or 1.0),
            entry["bytes"] / time, entry["instructions"] / time))
    return lines
