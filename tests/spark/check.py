"""viewmart_spark.py on a standalone cluster of PyPI's pyspark, with whatever can fail there.

    check.py --tools DIR [VIEWMART FOLDER [--port N] [--only CASE] [--hdfs URL --hadoop-conf DIR]]

The packages of requirements.txt are installed into DIR on first use; without VIEWMART that is all. FOLDER, empty, takes
lakes, parts, warehouses and the cluster, which uses the ports from N on. With --hdfs the lake at URL is made a month and
nothing else. Each case must give the bytes of `viewmart transform`, and the rows in the warehouse, or fail and publish
nothing; after each no process and no file of viewmart may be left.
"""

import argparse
import concurrent.futures
import contextlib
import fcntl
import gzip
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from cluster import Cluster, processes_below, wait_until

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = ROOT / "scripts/spark/viewmart_spark.py"
DATE = "--etl-date=2022-05-01"
MONTH = "month-2022-04.parquet"
SPLIT, SIX = "--split=4KiB", "--tasks=6"
CONF = {
    "spark.driver.host": "127.0.0.1", "spark.driver.memory": "768m", "spark.executor.memory": "600m",
    "spark.sql.shuffle.partitions": "4", "spark.ui.showConsoleProgress": "false",
    # Whoever fetches from a worker that is gone sees it sooner.
    "spark.shuffle.io.maxRetries": "1", "spark.shuffle.io.retryWait": "100ms",
}
SPECULATION = {
    "spark.speculation": "true", "spark.speculation.interval": "100ms", "spark.speculation.quantile": "0.5",
    "spark.speculation.multiplier": "1.5",
}


def install(tools):
    """Makes the environment once and goes on in it."""
    python, done = tools / "venv/bin/python", tools / "done"
    wanted = (HERE / "requirements.txt").read_text()
    tools.mkdir(parents=True, exist_ok=True)
    with open(tools / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", tools / "venv"], check=True)
            packages = ["-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
            subprocess.run([python, *packages], check=True, stdout=sys.stderr)
            done.write_text(wanted)
    if pathlib.Path(sys.prefix).resolve() != (tools / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])


def record(contract, app, seconds):
    source = {"Contract": contract, "Mac": "0C96E62FC55C", "TotalDuration": seconds, "AppName": app}
    return json.dumps({"_index": "history", "_id": "AX_momhia1FFivsGrn9o", "_score": 0, "_source": source}) + "\n"


def dirty_lake(folder):
    """A month with everything that may lie at the border of a task."""
    apps = ["CHANNEL", "VOD", "CHILD", "RELAX", "NO SUCH APP"]
    lines = lambda first, end: "".join(record(f"C{n * 7 % 90:03}", apps[n % 5], n * 13 % 4000) for n in range(first, end))
    broken = '{"_source": no JSON\n\n  \n' + "x" * 3000 + "\n"
    files = {
        "20220401.json": lines(0, 60) + broken + lines(60, 90), "20220403.json": "\ufeff" + lines(140, 170),
        "20220402.json": lines(90, 120).replace("\n", "\r\n") + record("\u00c9 1", "VOD", 5).strip(), "20220404.json": "",
        "20220406.csv": "Title,Contract,TotalDuration,AppName\n" + '"a\nb, c",C001,7,VOD\n' * 30,
    }
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    (folder / "20220405.json.gz").write_bytes(gzip.compress(lines(170, 300).encode()))
    return folder


class Held:
    """A kernel whose scans wait for their task, as what they are and bound to their parent, until it is let go."""

    def __init__(self, checks, name):
        self.folder = checks.folder / f"{name}.held"
        self.folder.mkdir()
        self.path = checks.kernel(name, f"""
            if [ "$1" = scan ]; then
                line=$(cat); id=${{line#*'"id":'}}; id=${{id%%,*}}; cd {self.folder}; echo $id $$ >> begun
                exec "$VIEWMART" "$@" < <(until [ -e let-$id ] || ! kill -0 $$; do sleep 0.05; done; echo "$line")
            fi""")

    def begun(self):
        """The task and the process of each scan that ever began, in their order."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "begun").read_text().splitlines()
            return [tuple(map(int, line.split())) for line in lines]
        return []

    def let_go(self, tasks):
        for task in tasks:
            (self.folder / f"let-{task}").touch()


class Checks:
    def __init__(self, viewmart, folder, job, cluster):
        self.viewmart, self.folder, self.job, self.cluster, self.whole = folder / "viewmart", folder, job, cluster, {}
        # One that nobody else runs, and small, as it is sent to every executor.
        subprocess.run(["strip", "-o", self.viewmart, viewmart], check=True)

    def run(self, *words, code=0):
        done = subprocess.run([self.viewmart, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def running(self):
        """The processes of the binary, or of copies of it that executors have got."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "exe").readlink().is_relative_to(self.folder):
                    found.append(int(process.name))
        return found

    def tasks(self, lake, size):
        return [json.loads(line)["id"] for line in self.run("plan", lake, size).splitlines()]

    def kernel(self, name, text):
        """A program that is viewmart but for what it does of a scan."""
        path = self.folder / name
        path.write_text(f'#!/bin/bash\nMARK={self.folder}/{name}.mark VIEWMART={self.viewmart}\n{text}\nexec "$VIEWMART" "$@"\n')
        path.chmod(0o755)
        return path

    def words(self, name, lake, *more, kernel=None):
        out = self.folder / name
        words = [lake, "--viewmart", kernel or self.viewmart, "--out", out, DATE, *more]
        defaults = {"--max-reject-ratio": "1", "--parts": out / "parts"}
        given = {str(word).split("=")[0] for word in more}
        words += [f"{flag}={value}" for flag, value in defaults.items() if flag not in given]
        return [str(word) for word in words]

    @contextlib.contextmanager
    def session(self, conf):
        """A session of Spark on the cluster; a task is tried four times."""
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master(self.cluster.url).appName("check")
        for key, value in (CONF | conf | {"spark.ui.port": str(self.cluster.port + 10)}).items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        try:
            session.sparkContext.addPyFile(str(SCRIPT))
            yield session
        finally:
            session.stop()

    def month(self, spark, name, lake, *more, kernel=None):
        """Makes a month in the session; gives the exit code."""
        try:
            with tempfile.TemporaryDirectory(prefix="viewmart-", dir=self.folder) as scratch:
                asked = self.job.arguments(self.words(name, lake, *more, kernel=kernel))
                return self.job.make_month(spark, asked, scratch)
        except SystemExit as end:
            return end.code
        except Exception as error:  # What Spark says when a job fails.
            return str(error)

    def good(self, spark, name, lake, *more, **how):
        code = self.month(spark, name, lake, *more, **how)
        assert code == 0, f"{name}: {code}"

    def good_despite(self, harm, held, tasks, *words):
        """The same, with harm done meanwhile; none of the tasks is held for longer than that."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            made = pool.submit(self.good, *words, kernel=held.path)
            try:
                harm()
            finally:
                held.let_go(tasks)
            made.result()

    def same(self, name, lake, parts=None, *more):
        """The month is that of a single machine, in the parts and in the warehouse."""
        out = self.folder / name
        if lake not in self.whole:
            whole = self.folder / f"whole-{len(self.whole)}"
            self.run("transform", lake, "--out", whole, DATE, "--max-reject-ratio=1", "--quiet", *more)
            self.whole[lake] = whole / MONTH
        self.run("merge", parts or out / "parts", "--out", out / "merged", "--max-reject-ratio=1")
        assert (out / "merged" / MONTH).read_bytes() == self.whole[lake].read_bytes(), f"{name}: other bytes"
        self.run("diff", self.whole[lake], f"sqlite:{out}/warehouse.db#2022-04")
        assert (out / "mart.db").exists(), f"{name}: no mart"
        self.nothing_left()

    def nothing_published(self, name):
        out = self.folder / name
        assert not (out / "warehouse.db").exists() and not (out / "parts/_viewmart.json").exists(), name
        self.nothing_left()

    def nothing_left(self):
        wait_until("no process is left", lambda: not self.running())
        wait_until("no file is left", lambda: not list(self.cluster.scratch.glob("viewmart*")))


def cases_of(checks, dirty):
    """The cases that share a session, with what they ask of its configuration."""
    cluster = checks.cluster
    once = 'if [ "$1" = scan ] && mkdir "$MARK"; then {}; fi'

    def splits(spark):
        for name, more in [("default", []), ("split-16", ["--split=16KiB"]), ("split-1", ["--split=1KiB", "--max-contracts=5"])]:
            checks.good(spark, name, dirty, *more)
            checks.same(name, dirty)

    def kernel_killed(spark):
        # In the middle of its rows.
        cut = '"$VIEWMART" "${@/#--die-with-parent=*/--die-with-parent=no}" | head -c 900; kill -9 $$'
        kernel = checks.kernel("killed-once", once.format(cut))
        checks.good(spark, "killed", dirty, SPLIT, kernel=kernel)
        assert (checks.folder / "killed-once.mark").exists()
        checks.same("killed", dirty)

    def kernels_that_fail(spark):
        fails = checks.kernel("fails", 'if [ "$1" = scan ]; then echo no luck >&2; exit 3; fi')
        lies = checks.kernel("lies", 'if [ "$1" = scan ]; then "$VIEWMART" "${@/#--die-with-parent=*/--die-with-parent=no}" | head -c 900; exit 0; fi')
        for kernel, word in [(fails, "no luck"), (lies, "its stream is broken")]:
            code = checks.month(spark, kernel.name, dirty, "--tasks=2", kernel=kernel)
            assert "viewmart scan ended with" in str(code) and word in code, code
            checks.nothing_published(f"{kernel.name}")

    def limits(spark):
        assert checks.month(spark, "limits", dirty, "--tasks=2", "--max-reject-ratio=0.001") == 4
        assert not (checks.folder / "limits/warehouse.db").exists()

    def workers_killed(spark):
        held, tasks = Held(checks, "held"), checks.tasks(dirty, SPLIT)
        stages = spark.sparkContext.statusTracker()

        def harm():
            # One while it scans. Its executor ends by itself, and its scan with that.
            wait_until("both workers scan", lambda: len(checks.running()) == len(held.begun()) == 2)
            cluster.kill(1)
            wait_until("one scan has ended", lambda: len(checks.running()) == 1)
            cluster.restart(1)
            wait_until("both workers scan again", lambda: len(checks.running()) == 2)
            # The one that is new gets all other tasks done; the last one ends when it no longer answers.
            others = processes_below(cluster.nodes[2].pid)
            [last] = {task for task, pid in held.begun() if pid in others}
            held.let_go(set(tasks) - {last})
            [scan] = stages.getActiveStageIds()
            wait_until("one task is left", lambda: stages.getStageInfo(scan).numCompletedTasks == len(tasks) - 1)
            executor = cluster.executor(1)
            os.kill(executor, signal.SIGSTOP)
            try:
                held.let_go([last])
                wait_until("rows are added up", lambda: any(stage > scan for stage in stages.getActiveStageIds()))
                cluster.kill(1)
            finally:
                os.kill(executor, signal.SIGKILL)

        checks.good_despite(harm, held, tasks, spark, "workers", dirty, SPLIT)
        # The scans whose rows were lost, besides the one that ended with the first worker.
        assert len(held.begun()) > len(tasks) + 1, held.begun()
        checks.same("workers", dirty)
        cluster.restart(1)

    def kernel_stopped(spark):
        held, tasks = Held(checks, "stopped"), checks.tasks(dirty, SPLIT)
        held.let_go(set(tasks) - {0})
        processes = lambda: [pid for task, pid in held.begun() if task == 0 and pid in checks.running()]

        def harm():
            wait_until("a scan waits", processes)
            os.kill(processes()[0], signal.SIGSTOP)

        checks.good_despite(harm, held, tasks, spark, "speculation", dirty, SPLIT)
        assert [task for task, _ in held.begun()].count(0) == 2, held.begun()
        checks.same("speculation", dirty)

    return [({}, [splits, kernel_killed, kernels_that_fail, limits, workers_killed]), (SPECULATION, [kernel_stopped])]


def driver_killed(checks):
    """All of its processes at once, then the same command again."""
    held, lake, log = Held(checks, "driver-held"), ROOT / "data/sample", checks.folder / "driver.log"
    conf = [f"--conf={key}={value}" for key, value in CONF.items()]
    command = [checks.cluster.home / "bin/spark-submit", "--master", checks.cluster.url, *conf, SCRIPT]
    command += checks.words("driver", lake, SIX, kernel=held.path)

    def start():
        with open(log, "w") as said:
            env = checks.cluster.environment("127.0.0.1")
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env, start_new_session=True)

    with start() as driver:
        try:
            wait_until("it scans", lambda: len(checks.running()) == 2 or driver.poll() is not None)
            assert list(checks.cluster.scratch.glob("viewmart*")), "it keeps no files where they are looked for"
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
    checks.nothing_published("driver")
    held.let_go(checks.tasks(lake, SIX))
    with start() as driver:
        assert driver.wait() == 0, log.read_text()
    checks.same("driver", lake)


def in_hdfs(checks, spark, lake, hadoop_conf):
    """Lake and parts lie in HDFS, tasks begin and end within its blocks."""
    conf, parts = f"--hadoop-conf={hadoop_conf}", f"{lake}-parts"
    checks.good(spark, "hdfs", lake, "--split=700KiB", conf, f"--parts={parts}")
    local = checks.job.Parts(spark, parts).local(checks.folder / "hdfs")
    checks.same("hdfs", lake, local, conf, f"--cache={checks.folder}/cache")


def timed(case, *words):
    begun = time.monotonic()
    case(*words)
    print(f"{case.__name__}: ok in {time.monotonic() - begun:.1f} s", flush=True)


def check(asked):
    folder = asked.folder.resolve()
    sys.path.insert(0, str(SCRIPT.parent))
    sys.dont_write_bytecode = True
    import viewmart_spark

    with Cluster(folder / "cluster", asked.port) as cluster:
        env = cluster.environment("127.0.0.1")
        os.environ.clear()
        os.environ.update(env)
        checks = Checks(asked.viewmart, folder, viewmart_spark, cluster)
        if asked.hdfs:
            with checks.session({}) as spark:
                timed(in_hdfs, checks, spark, asked.hdfs, asked.hadoop_conf)
            return
        for conf, cases in cases_of(checks, dirty_lake(folder / "dirty")):
            chosen = [case for case in cases if asked.only in (None, case.__name__)]
            with checks.session(conf) if chosen else contextlib.nullcontext() as spark:
                for case in chosen:
                    timed(case, spark)
        if asked.only in (None, driver_killed.__name__):
            timed(driver_killed, checks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("viewmart", nargs="?")
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=23700)
    parser.add_argument("--only", metavar="CASE")
    parser.add_argument("--hdfs")
    parser.add_argument("--hadoop-conf")
    asked = parser.parse_args()
    install(asked.tools)
    if asked.viewmart:
        check(asked)


if __name__ == "__main__":
    main()
