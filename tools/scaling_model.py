#!/usr/bin/env python3
"""How a training step should scale over many GPUs: a model, not a measurement. docs/scaling.md says what it assumes.

    tools/scaling_model.py --model=nano --step_ms=100
    mpirun -n 2 … rss_pascal_context … | tools/scaling_model.py --traffic=-      # with what a run of its own says

The volume of communication is measured (a run with several ranks prints it); latencies are those of NCCL's own cost model
(baseLat and hwLat of its src/graph/tuning.cc, protocols LL and Simple); bandwidths are of data sheets, times an efficiency.
"""

import argparse
import math
import re
import sys

# One rank's traffic a step as a run on two ranks prints it: {operation: (calls, bytes)}. The commands are in docs/scaling.md.
MEASURED = {
    "micro": {"GradientAverage": (1, 1846552), "BatchNorm": (24, 16480), "MomentsOf": (10, 560), "OnAnyRank": (1, 8), "AverageOverRanks": (1, 24)},
    "nano": {"GradientAverage": (4, 73365592), "BatchNorm": (24, 65632), "MomentsOf": (10, 560), "OnAnyRank": (1, 8), "AverageOverRanks": (1, 24)},
}

MICROSECOND = 1e-6
BACKWARD_SHARE = 2 / 3  # of a step's computation
HOST_SECONDS = 40 * MICROSECOND  # assumed: two copies, a wait for the device, and its queue filled again

# Values that lie on the host or go through it.
HOST_CALLS = ("DrawRollout", "OnAnyRank", "AverageOverRanks", "Supervised")


def all_reduce_seconds(size, gpus, arguments):
    """The faster of NCCL's ring and tree, with the faster of its protocols LL and Simple."""
    if gpus == 1:
        return 0.0
    node = min(gpus, arguments.gpus_per_node)
    nodes = math.ceil(gpus / node)
    # As many rings as network cards, each with its part of the values: a node has the bandwidth of all its cards.
    network = arguments.network_gb * arguments.gpus_per_node
    bandwidth = arguments.efficiency * 1e9 * (arguments.nvlink_gb if nodes == 1 else min(arguments.nvlink_gb, network))
    best = math.inf
    # (ring?, base latency, a step over NVLink, a step over the network, share of the bandwidth), in microseconds
    for ring, base, link, across, share in (
        (True, 6.6, 0.6, 2.7, 1 / 4),
        (True, 8.4, 3.4, 14.0, 1),
        (False, 6.8, 0.6, 5.0, 1 / 3.8),
        (False, 8.4, 4.0, 14.0, 0.9),
    ):
        if base < 8 and nodes > 1:
            link *= 1.8
        if ring:
            steps_across = 2 * (nodes - 1)
            latency = base + (2 * (gpus - 1) - steps_across) * link + steps_across * across
            volume = 2 * (gpus - 1) / gpus * size
        else:
            latency = base + 2 * ((node - 1) * link + math.log2(nodes) * across)
            volume = 2 * size
        best = min(best, latency * MICROSECOND + volume / (share * bandwidth))
    return best


def exposed_gradient_seconds(buckets, size, gpus, compute, arguments):
    """What is left of the gradients' sums when the backward pass has ended. Buckets are of one size and fill evenly as it goes."""
    backward, done = BACKWARD_SHARE * compute, 0.0
    for bucket in range(1, buckets + 1):
        done = max(done, backward * bucket / buckets) + all_reduce_seconds(size / buckets, gpus, arguments)
    return done - backward


def rows(traffic, compute, arguments):
    for gpus in arguments.gpus:
        sum_seconds = gradients = norms = host = 0.0
        for operation, (calls, size) in traffic.items():
            if operation == "GradientAverage":
                gradients = exposed_gradient_seconds(round(calls), size, gpus, compute, arguments)
                sum_seconds = all_reduce_seconds(size, gpus, arguments)
            elif operation == "BatchNorm":
                norms = calls * all_reduce_seconds(size / calls, gpus, arguments)
            elif operation == "MomentsOf":
                # Two sums for each scale: a count from each rank, and three numbers of every image of every rank.
                scales = calls / 2
                counts = all_reduce_seconds(8 * gpus, gpus, arguments)
                moments = all_reduce_seconds(24 * arguments.batch * gpus, gpus, arguments)
                host += scales * (counts + moments + 3 * HOST_SECONDS)
            elif operation in HOST_CALLS:
                host += calls * (all_reduce_seconds(size / calls, gpus, arguments) + HOST_SECONDS)
        if gpus == 1:
            host = 0.0
        yield gpus, sum_seconds, gradients, norms, host, compute / (compute + gradients + norms + host)


def read_traffic(stream):
    """The last run's lines 'a step brings N bytes in C calls to OPERATION'."""
    traffic = {}
    for line in stream:
        if found := re.search(r"a step brings (\d+) bytes in ([\d.]+) calls to (\w+)", line):
            traffic[found[3]] = (float(found[2]), float(found[1]))
    return traffic


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", choices=sorted(MEASURED))
    parser.add_argument("--traffic", help="file with what a run printed; - is standard input; default: the measured figures")
    parser.add_argument("--step_ms", type=float, default=100, help="computation of a step on one GPU: an assumption, or what you measured")
    parser.add_argument("--batch", type=int, default=16, help="images a GPU")
    parser.add_argument("--gpus", type=lambda text: [int(part) for part in text.split(",")], default=[1, 8, 16, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--gpus_per_node", type=int, default=8)
    parser.add_argument("--nvlink_gb", type=float, default=450, help="GB/s a direction and GPU (H100, H200: NVLink 4)")
    parser.add_argument("--network_gb", type=float, default=50, help="GB/s a direction and GPU (400 Gb/s for each)")
    parser.add_argument("--efficiency", type=float, default=0.8, help="of the bandwidths")
    arguments = parser.parse_args()
    if arguments.traffic:
        with sys.stdin if arguments.traffic == "-" else open(arguments.traffic) as stream:
            traffic = read_traffic(stream)
    else:
        traffic = MEASURED[arguments.model]
    if not traffic:
        parser.error("no line says what a step brings: run with several ranks")
    print(f"{arguments.step_ms:g} ms of computation a step (assumed), {traffic['GradientAverage'][1] / 1e6:.1f} MB of gradients")
    print("| GPUs | all gradients, ms | of them not hidden, ms | SyncBN, ms | SyncAN and host, ms | efficiency |\n|---|---|---|---|---|---|")
    for gpus, total, gradients, norms, host, efficiency in rows(traffic, arguments.step_ms / 1e3, arguments):
        print(f"| {gpus} | {1e3 * total:.2f} | {1e3 * gradients:.2f} | {1e3 * norms:.2f} | {1e3 * host:.2f} | {100 * efficiency:.1f} % |")


if __name__ == "__main__":
    main()
