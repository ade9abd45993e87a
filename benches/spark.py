#!/usr/bin/env python3
"""Measures viewmart_spark.py beside tuned Spark SQL on one cluster of this machine and writes a record of it.

    benches/spark.py BINARY LAKE [--runs 2] [--splits 256MiB,2GiB,default] [--memory 3g] [--record DIR]

The cluster is that of tests/spark, two workers with a core each; LAKE is a month as `viewmart generate` makes it. In each
run every job is an application of its own with new executors, one after the other. What they cost is the processor time
of all processes of the workers (virtual machines, Python, scans) from the begin to the end of a stage. All jobs must find
the same rows. What it needs (packages, results) lies in target/bench.
"""

import argparse
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/bench/spark"
SCRIPT = ROOT / "scripts/spark/viewmart_spark.py"
N_WORKERS = 2
PORT = 23800
SAMPLE_S = 0.1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/spark"))

import check
from cluster import Cluster, processes_below


def load_bench():
    """scripts/bench, for what it tells of the machine and how it fills the page cache."""
    loader = importlib.machinery.SourceFileLoader("bench", str(ROOT / "scripts/bench"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
    loader.exec_module(module)
    return module


bench = load_bench()


class ProcessorClock:
    """The processor time of some processes and all below them, at any moment of the past."""

    def __init__(self, tops):
        self.tops, self.moments, self.ended = tops, [], threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def watch(self):
        while not self.ended.wait(SAMPLE_S):
            pids = [pid for top in self.tops for pid in processes_below(top)]
            self.moments.append((time.time(), sum(map(used_s, pids))))

    def at(self, moment):
        """Between two samples, as if it had been used evenly."""
        before = max((m for m in self.moments if m[0] <= moment), default=self.moments[0])
        after = min((m for m in self.moments if m[0] > moment), default=self.moments[-1])
        if after[0] == before[0]:
            return before[1]
        return before[1] + (after[1] - before[1]) * (moment - before[0]) / (after[0] - before[0])

    def between(self, begin, end):
        return self.at(end) - self.at(begin)


def used_s(pid):
    """Of a process, and of those that it started and saw end."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) / TICKS_PER_S


def stages_of(log):
    """What Spark says of the stages of an application that were run to their end."""
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["Event"] != "SparkListenerStageCompleted":
            continue
        stage = event["Stage Info"]
        sums = {sum["Name"]: sum["Value"] for sum in stage["Accumulables"]}
        yield {
            "begin": stage["Submission Time"] / 1000, "end": stage["Completion Time"] / 1000, "tasks": stage["Number of Tasks"],
            "rows_shuffled": int(sums.get("internal.metrics.shuffle.write.recordsWritten", 0)),
            "bytes_shuffled": int(sums.get("internal.metrics.shuffle.write.bytesWritten", 0)),
        }


def measure(cluster, words, n_bytes):
    """Runs a driver to its end: what it printed, and what its stages cost."""
    logs = cluster.folder / "events"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    env = cluster.environment("127.0.0.1") | {"SPARK_MASTER": cluster.url, "MASTER": cluster.url}
    begun = time.time()
    with ProcessorClock([cluster.nodes[n].pid for n in range(1, N_WORKERS + 1)]) as clock:
        done = subprocess.run([sys.executable, *map(str, words)], env=env, capture_output=True, text=True)
        ended = time.time()
        time.sleep(3 * SAMPLE_S)
    if done.returncode != 0:
        bench.fail(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr[-4000:]}")
    [log] = logs.iterdir()
    stages = list(stages_of(log))
    scan = max(stages, key=lambda stage: stage["bytes_shuffled"])
    # The one that reads what the scan wrote.
    after = min((stage for stage in stages if stage["begin"] >= scan["end"]), key=lambda stage: stage["begin"])
    scan_core_s = clock.between(scan["begin"], scan["end"])
    return done, {
        "tasks": scan["tasks"], "rows_shuffled": scan["rows_shuffled"], "bytes_shuffled": scan["bytes_shuffled"],
        "until_scan_s": round(scan["begin"] - begun, 3), "scan_s": round(scan["end"] - scan["begin"], 3),
        "add_up_s": round(after["end"] - after["begin"], 3), "application_s": round(ended - begun, 3),
        "scan_core_s": round(scan_core_s, 2), "scan_core_s_per_gb": round(scan_core_s / n_bytes * 1e9, 3),
        "add_up_core_s": round(clock.between(after["begin"], after["end"]), 2),
        "workers_core_s": round(clock.between(begun, ended), 2),
    }


def run_viewmart(cluster, asked, size, n_bytes):
    out, parts = WORK / "out", WORK / "parts"
    shutil.rmtree(out, ignore_errors=True)
    flags = [] if size == "default" else [f"--split={size}"]
    words = [SCRIPT, asked.lake, "--viewmart", asked.binary, "--parts", parts, "--out", out, f"--etl-date={bench.ETL_DATE}"]
    done, sample = measure(cluster, [*words, *flags], n_bytes)
    [said] = [line for line in done.stderr.splitlines() if line.startswith("viewmart: {")]
    said = json.loads(said.removeprefix("viewmart: "))
    run(asked.binary, "merge", parts, "--out", out, "--quiet")
    return sample | {"job_s": said["wall_s"], "kernels_core_s": said["scan_core_s"]}, out / check.MONTH


def run_peer(cluster, asked, n_bytes):
    out = WORK / "peer"
    shutil.rmtree(out, ignore_errors=True)
    done, sample = measure(cluster, [ROOT / "benches/peers/spark_month.py", asked.lake, out, N_WORKERS], n_bytes)
    said = json.loads(done.stdout.splitlines()[-1])
    return sample | {"job_s": said["seconds"]}, out


def run(*words):
    subprocess.run(list(map(str, words)), check=True, stdout=subprocess.DEVNULL)


def install():
    """The packages of the tests, and what compares results."""
    check.install(WORK / "tools")
    if importlib.util.find_spec("duckdb") is None:
        lines = (ROOT / "benches/peers/requirements.txt").read_text().splitlines()
        [wanted] = [line for line in lines if line.startswith("duckdb==")]
        run(sys.executable, "-m", "pip", "install", "--quiet", wanted)


def settings(cluster, memory):
    """The same for all applications."""
    conf = {
        "spark.master": cluster.url, "spark.driver.host": "127.0.0.1", "spark.driver.memory": "3g", "spark.executor.memory": memory,
        "spark.sql.shuffle.partitions": str(4 * N_WORKERS), "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{cluster.folder}/events",
        "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false",
    }
    (cluster.folder / "conf/spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in conf.items()))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("lake", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--splits", default="256MiB,2GiB,default")
    parser.add_argument("--memory", default="3g", help="of each executor")
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "benches/record", help="folder of the record")
    return parser.parse_args()


def main():
    asked = arguments()
    install()
    shutil.rmtree(WORK / "cluster", ignore_errors=True)
    files = sorted(asked.lake.glob("*.json"))
    n_bytes, whole = sum(file.stat().st_size for file in files), WORK / "whole"
    run(asked.binary, "transform", asked.lake, "--out", whole, "--etl-date", bench.ETL_DATE, "--quiet")
    month = (whole / check.MONTH).read_bytes()
    sizes = asked.splits.split(",")
    samples = {name: [] for name in [*(f"viewmart, {size}" for size in sizes), "spark sql"]}
    with Cluster(WORK / "cluster", PORT, memory=asked.memory) as cluster:
        settings(cluster, asked.memory)
        for number in range(asked.runs):
            bench.say(f"run {number + 1} of {asked.runs}")
            for size in sizes:
                bench.warm(files)
                sample, merged = run_viewmart(cluster, asked, size, n_bytes)
                if merged.read_bytes() != month:
                    bench.fail(f"{merged} and {whole / check.MONTH} differ")
                samples[f"viewmart, {size}"].append(sample)
                print(size, json.dumps(sample), flush=True)
            bench.warm(files)
            sample, rows = run_peer(cluster, asked, n_bytes)
            run(sys.executable, ROOT / "benches/peers/compare.py", whole / check.MONTH, rows)
            samples["spark sql"].append(sample)
            print("spark sql", json.dumps(sample), flush=True)
    write_record(asked, {"files": len(files), "bytes": n_bytes}, samples)


def write_record(asked, month, samples):
    record = bench.machine() | {
        "spark": importlib.metadata.version("pyspark"), "viewmart": bench.line_of([asked.binary, "--version"]).split()[-1],
        "workers": N_WORKERS, "executor_memory": asked.memory, "month": month, "samples": samples,
    }
    for name, of in samples.items():
        median = {key: statistics.median(sample[key] for sample in of) for key in of[0]}
        print(f"{name}: {median}")
    path = asked.record / f"{record['date'][:10]}-spark-{bench.cpu_slug()}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"record: {path}")


if __name__ == "__main__":
    main()
