#!/usr/bin/env python3
"""Makes a month on a Spark cluster: viewmart cuts the lake into tasks and scans each on an executor, Spark adds the rows up
by contract, `viewmart load` publishes them.

    spark-submit viewmart_spark.py LAKE... --viewmart BINARY [--parts FOLDER] [--split SIZE | --tasks N] [FLAGS]

FLAGS are those of viewmart for lake, rules, limits and warehouse. The binary and the rules are shipped with the job; the
executors need pyspark and pyarrow. Without --split and --tasks there are three tasks a processor of the cluster.
"""

import argparse
import datetime
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import pyarrow
from pyspark import SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SECONDS = [f"{category}Duration" for category in ("Movie", "Sport", "Child", "Relax", "Tv")]
# Of these the last is the time that the scan of a task took: no key of the aggregate, as it differs when a task is repeated.
SCHEMA = f"Contract string, Days int, {', '.join(f'{name} bigint' for name in SECONDS)}, Counters string, CpuMs bigint"
MANIFEST = "_viewmart.json"
TASKS_PER_PROCESSOR = 3

# Flags of viewmart by the commands that take them, those without a value apart.
PLAN, SCAN, LOAD, RULES, MART = "plan", "scan", "load", "rules", "mart"
VALUES = {
    "month": (PLAN,), "etl-date": (PLAN, SCAN, LOAD),
    "format": (PLAN,), "day-pattern": (PLAN,), "max-contracts": (SCAN,), "exclude-contract": (RULES,),
    **dict.fromkeys(("hadoop-conf", "hdfs-opt", "hdfs-user", "keytab", "principal"), (PLAN, SCAN)),
    **dict.fromkeys(("max-reject-ratio", "max-unmapped-ratio", "load-connections", "audiences"), (LOAD,)),
    **dict.fromkeys(("warehouse", "mart-db", "defaults-file", "out"), (LOAD, MART)), "config": (PLAN, LOAD, RULES, MART),
}
SWITCHES = {
    "allow-duplicates": (PLAN, LOAD), "require-all-days": (PLAN, LOAD), "datanode-hostname": (PLAN, SCAN), "deny-warnings": (PLAN, LOAD),
}


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], allow_abbrev=False)
    parser.add_argument("lake", nargs="+")
    parser.add_argument("--viewmart", required=True, help="the binary")
    parser.add_argument("--parts", default="viewmart-parts", help="folder for the rows, which all executors can reach")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--split", help="bytes of a task")
    size.add_argument("--tasks", help="number of tasks")
    parser.add_argument("--rules")
    for name, commands in VALUES.items():
        parser.add_argument(f"--{name}", action="append", default=[], help=f"as of viewmart {commands[0]}")
    for name, commands in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"as of viewmart {commands[0]}")
    asked = parser.parse_args(words)
    # One day for all commands, whenever they come to run.
    asked.etl_date = asked.etl_date or [os.environ.get("VIEWMART_ETL_DATE") or datetime.date.today().isoformat()]
    asked.viewmart = os.path.realpath(shutil.which(asked.viewmart) or asked.viewmart)
    return asked


def flags_of(command, asked):
    given = vars(asked)
    values = [f"--{name}={value}" for name, of in VALUES.items() if command in of for value in given[name.replace("-", "_")]]
    return values + [f"--{name}" for name, of in SWITCHES.items() if command in of and given[name.replace("-", "_")]]


def viewmart(asked, *words):
    """What a command prints, here on the driver; it has said itself why it failed."""
    done = subprocess.run([asked.viewmart, *words], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def scan_task(line, binary, rules, flags):
    """On an executor: the rows of a task, and after them what it counted, once it has ended as it should."""
    words = [SparkFiles.get(binary), "scan", "--task", "-", "--out", "arrow:-", "--quiet", "--json=no"]
    words += [f"--die-with-parent={os.getpid()}", *flags]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Files without a name: whatever ends this process leaves nothing.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as ruled:
        ruled.write(rules.encode())
        ruled.flush()
        words.append(f"--rules=/dev/fd/{ruled.fileno()}")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said, "pass_fds": [ruled.fileno()]}
        # The settings are those of the driver, not those that this machine has.
        kernel = subprocess.Popen(words, env=without_settings(), **pipes)
        try:
            last, n_rows, broken = None, 0, ""
            try:
                with kernel.stdin:
                    kernel.stdin.write(line.encode())
                for batch in pyarrow.ipc.open_stream(kernel.stdout):
                    if last is not None or batch.column(7).null_count < batch.num_rows:
                        last = None if last is not None else batch
                        continue
                    n_rows += batch.num_rows
                    yield with_cpu(batch, None)
            except (OSError, pyarrow.ArrowInvalid) as error:
                broken = f", its stream is broken: {error}"
                kernel.stdout.close()  # It may still be writing.
            code = kernel.wait()
            counters = json.loads(last.column(7)[0].as_py()) if last is not None and last.num_rows == 1 else {}
            if code != 0 or broken or counters.get("rows") != n_rows:
                said.seek(0)
                why = said.read().decode(errors="replace")[-2000:].strip()
                raise RuntimeError(f"viewmart scan ended with {code}{broken} after {n_rows} rows: {why}\n{line}")
        finally:
            kernel.kill()
            kernel.wait()
    # The same for all tasks, and with lists of contracts too long to be sent along with each.
    del counters["rules"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text = pyarrow.array([json.dumps(counters, sort_keys=True)], pyarrow.string())
    last = pyarrow.RecordBatch.from_arrays([*last.columns[:7], text], schema=last.schema)
    yield with_cpu(last, round(1000 * cpu_s))


def without_settings(of="VIEWMART_"):
    return {name: value for name, value in os.environ.items() if not name.startswith(of)}


def with_cpu(batch, cpu_ms):
    column = pyarrow.array([cpu_ms] * batch.num_rows, pyarrow.int64())
    return pyarrow.RecordBatch.from_arrays([*batch.columns, column], names=[*batch.schema.names, "CpuMs"])


def add_up(spark, lines, asked, rules):
    """Scans all tasks and leaves the rows of the month in the folder of parts."""
    # The rules too, which may hold long lists of contracts.
    job = spark.sparkContext.broadcast((lines, rules))
    binary, flags = os.path.basename(asked.viewmart), flags_of(SCAN, asked)

    def scan(batches):
        # All numbers first: Spark can use a worker again that has read its input to the end.
        for number in [number for batch in batches for number in batch.column(0).to_pylist()]:
            lines, rules = job.value
            yield from scan_task(lines[number], binary, rules, flags)

    rows = spark.range(0, len(lines), 1, len(lines)).mapInArrow(scan, SCHEMA)
    sums = [F.sum(name).alias(name) for name in [*SECONDS, "CpuMs"]]
    # Hardly a customer comes twice in a task: without this Spark would look for those before it sends the rows on.
    rows = rows.repartition("Contract").groupBy("Contract", "Counters").agg(F.expr("bit_or(Days)").alias("Days"), *sums, F.count("Counters").alias("N"))
    rows.sortWithinPartitions("Contract").write.option("compression", "snappy").mode("overwrite").parquet(asked.parts)


def accept(tasks, counted):
    """Refuses counters that are not those of every task, once, and of all its bytes."""
    n_times = {}
    for counters, n, _ in counted:
        n_times[counters["task"]] = n_times.get(counters["task"], 0) + n
        read = sum(end - start for file in counters["inputs"] for start, end in file["ranges"])
        if read != sum(span["length"] for span in tasks[counters["task"]]["ranges"]):
            sys.exit(f"viewmart: task {counters['task']} read {read} bytes, other than planned; nothing was published")
    wrong = {task: n_times.get(task, 0) for task in tasks if n_times.get(task) != 1}
    if wrong:
        sys.exit(f"viewmart: tasks that are not counted once, by number: {wrong}; nothing was published")


class Parts:
    """The folder of parts, wherever Hadoop keeps it."""

    def __init__(self, spark, name):
        self.hadoop = spark._jvm.org.apache.hadoop.fs
        self.path = self.hadoop.Path(name)
        self.hadoop_conf = spark._jsc.hadoopConfiguration()
        self.files = self.path.getFileSystem(self.hadoop_conf)
        self.path = self.files.makeQualified(self.path)

    def refuse_others(self, lake):
        """Spark empties the folder: nothing may be in it that is not of such a job, and no data of the lake."""
        mine = f"{self.path}/"
        for name in lake:
            theirs = self.hadoop.Path(name)
            theirs = theirs.getFileSystem(self.hadoop_conf).makeQualified(theirs)
            if mine.startswith(f"{theirs}/") or f"{theirs}/".startswith(mine):
                sys.exit(f"viewmart: {self.path} and the lake {name} are in each other: name another folder with --parts")
        names = [s.getPath().getName() for s in self.files.listStatus(self.path)] if self.files.exists(self.path) else []
        ours = lambda name: name.startswith(("_", ".")) or name.startswith("part-") and name.endswith(".snappy.parquet")
        others = [name for name in names if not ours(name)]
        if others:
            sys.exit(f"viewmart: {self.path} holds {others[0]}: name another folder with --parts")

    def write(self, name, text):
        aside, final = (self.hadoop.Path(self.path, name) for name in (f"{name}.tmp", name))
        with_bytes = self.files.create(aside, True)
        with_bytes.write(text.encode())
        with_bytes.close()
        if not self.files.rename(aside, final):
            sys.exit(f"viewmart: {final} could not be given its name; nothing was published")

    def local(self, scratch):
        """The folder on this machine."""
        if self.path.toUri().getScheme() == "file":
            return self.path.toUri().getPath()
        self.files.copyToLocalFile(False, self.path, self.hadoop.Path(f"file://{scratch}/parts"), True)
        return f"{scratch}/parts"


def shuffled_bytes(sc):
    try:
        with urllib.request.urlopen(f"{sc.uiWebUrl}/api/v1/applications/{sc.applicationId}/stages", timeout=10) as stages:
            return sum(stage["shuffleWriteBytes"] for stage in json.load(stages) if stage["status"] == "COMPLETE")
    except (OSError, ValueError):
        return None  # Spark's pages are off, or not to be reached from here.


def processors(sc):
    """Those of the cluster, once its executors have come: they do so one after the other, when the session has begun."""
    n_before, deadline = 0, time.monotonic() + 60
    while time.monotonic() < deadline and not sc.master.startswith("local"):
        n_now = sc._jsc.sc().getExecutorMemoryStatus().size()
        if n_now == n_before and n_now > 1:
            break
        n_before = n_now
        time.sleep(3)
    return sc.defaultParallelism


def make_month(spark, asked, scratch):
    """All of it; gives the exit code."""
    # Without it a sum that leaves 64 bits is a wrong one.
    spark.conf.set("spark.sql.ansi.enabled", "true")
    sc, begun = spark.sparkContext, time.monotonic()
    parts = Parts(spark, asked.parts)
    parts.refuse_others(asked.lake)
    size = f"--split={asked.split}" if asked.split else f"--tasks={asked.tasks or TASKS_PER_PROCESSOR * processors(sc)}"
    lines = viewmart(asked, "plan", "--quiet", size, *flags_of(PLAN, asked), "--", *asked.lake).splitlines()
    tasks = {task["id"]: task for task in map(json.loads, lines)}
    rules = viewmart(asked, "rules", "--json=no", *flags_of(RULES, asked), *([asked.rules] if asked.rules else []))
    sc.addFile(asked.viewmart)
    add_up(spark, lines, asked, rules)

    made = spark.read.parquet(asked.parts)
    counted = made.where("Counters is not null").select("Counters", "N", "CpuMs").collect()
    counted = sorted(((json.loads(text), n, cpu_ms) for text, n, cpu_ms in counted), key=lambda row: row[0]["task"])
    accept(tasks, counted)
    n_rows, counters = made.where("Contract is not null").count(), [row[0] for row in counted]
    parts.write(MANIFEST, json.dumps({"rules": rules, "rows": n_rows, "tasks": list(tasks.values()), "counters": counters}))
    told = {
        "tasks": len(tasks), "bytes": sum(span["length"] for task in tasks.values() for span in task["ranges"]),
        "rows": n_rows, "rows_shuffled": sum(row["rows"] for row in counters) + len(tasks),
        "bytes_shuffled": shuffled_bytes(sc), "scan_core_s": sum(cpu_ms for _, _, cpu_ms in counted) / 1000,
        "wall_s": round(time.monotonic() - begun, 3),
    }
    print(f"viewmart: {json.dumps(told)}", file=sys.stderr)
    with open(f"{scratch}/rules.toml", "w") as file:
        file.write(rules)
    month = [f"--month={task['ranges'][0]['day'][:7]}" for task in list(tasks.values())[:1]]
    words = [*flags_of(LOAD, asked), *month, f"--rules={scratch}/rules.toml", "--", parts.local(scratch)]
    loaded = subprocess.run([asked.viewmart, "load", *words], env=without_settings("VIEWMART_EXCLUDE_")).returncode
    return loaded or subprocess.run([asked.viewmart, "mart", *flags_of(MART, asked), *month]).returncode


def main():
    asked, scratch = arguments(), tempfile.mkdtemp(prefix="viewmart-")
    # Removes it when this process has ended, also when it was killed.
    remover = ["sh", "-c", 'cat; rm -rf "$0"', scratch]
    with subprocess.Popen(remover, stdin=subprocess.PIPE, start_new_session=True):
        spark = SparkSession.builder.appName("viewmart").getOrCreate()
        try:
            sys.exit(make_month(spark, asked, scratch))
        finally:
            spark.stop()


if __name__ == "__main__":
    main()
