"""viewmart_spark.py under PyPI's pyspark, in one process with two workers, and kernels that fail there.

    check.py [--tools DIR] VIEWMART FOLDER

FOLDER, empty, takes lakes, parts and warehouses. The packages of requirements.txt are installed into DIR on first use.
Each case must give the bytes of `viewmart transform`, and the rows in the warehouse, or fail and publish nothing; after
each no scan may be left.
"""

import argparse
import contextlib
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE.parent.parent / "scripts"
DATE = "--etl-date=2022-05-01"
MONTH = "month-2022-04.parquet"
PATIENCE_S = 60
CONF = {
    "spark.driver.host": "127.0.0.1", "spark.driver.memory": "768m", "spark.sql.shuffle.partitions": "4",
    "spark.ui.port": "27040", "spark.ui.showConsoleProgress": "false",
}


def install(tools):
    """Makes the environment once and goes on in it."""
    python, done = tools / "venv/bin/python", tools / "done"
    wanted = (HERE / "requirements.txt").read_text()
    if not done.exists() or done.read_text() != wanted:
        tools.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", tools / "venv"], check=True)
        packages = ["-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
        subprocess.run([python, *packages], check=True, stdout=sys.stderr)
        done.write_text(wanted)
    if pathlib.Path(sys.prefix).resolve() != (tools / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])


def wait_until(what, holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


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


class Checks:
    def __init__(self, viewmart, folder, job):
        self.viewmart, self.folder, self.job, self.whole = viewmart, folder, job, {}

    def run(self, *words, code=0):
        done = subprocess.run([self.viewmart, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def scans(self):
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if os.readlink(process / "exe") == self.viewmart and b"scan" in words:
                    found.append(int(process.name))
        return found

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
        self.nothing_left()

    def nothing_published(self, name):
        out = self.folder / name
        assert not (out / "warehouse.db").exists() and not (out / "parts/_viewmart.json").exists(), name
        self.nothing_left()

    def nothing_left(self):
        wait_until("no scan is left", lambda: not self.scans())


def cases(checks, spark, dirty):
    once = 'if [ "$1" = scan ] && mkdir "$MARK"; then {}; fi'

    def splits():
        for name, more in [("default", []), ("split-16", ["--split=16KiB"]), ("split-1", ["--split=1KiB", "--max-contracts=5"])]:
            checks.good(spark, name, dirty, *more)
            checks.same(name, dirty)

    def kernel_killed():
        # In the middle of its rows.
        cut = '"$VIEWMART" "${@/#--die-with-parent=*/--die-with-parent=no}" | head -c 900; kill -9 $$'
        kernel = checks.kernel("killed-once", once.format(cut))
        checks.good(spark, "killed", dirty, "--split=4KiB", kernel=kernel)
        assert (checks.folder / "killed-once.mark").exists()
        checks.same("killed", dirty)

    def kernels_that_fail():
        fails = checks.kernel("fails", 'if [ "$1" = scan ]; then echo no luck >&2; exit 3; fi')
        lies = checks.kernel("lies", 'if [ "$1" = scan ]; then "$VIEWMART" "${@/#--die-with-parent=*/--die-with-parent=no}" | head -c 900; exit 0; fi')
        for kernel, word in [(fails, "no luck"), (lies, "its stream is broken")]:
            code = checks.month(spark, kernel.name, dirty, "--tasks=2", kernel=kernel)
            assert "viewmart scan ended with" in str(code) and word in code, code
            checks.nothing_published(f"{kernel.name}")

    def limits():
        assert checks.month(spark, "limits", dirty, "--tasks=2", "--max-reject-ratio=0.001") == 4
        assert not (checks.folder / "limits/warehouse.db").exists()

    return [splits, kernel_killed, kernels_that_fail, limits]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("viewmart")
    parser.add_argument("folder", type=pathlib.Path)
    asked = parser.parse_args()
    install(asked.tools)
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    sys.path.insert(0, str(SCRIPTS / "spark"))
    sys.dont_write_bytecode = True
    import viewmart_spark
    from pyspark.sql import SparkSession

    checks = Checks(os.path.realpath(asked.viewmart), asked.folder.resolve(), viewmart_spark)
    dirty = dirty_lake(checks.folder / "dirty")
    # A task is tried four times, as on a cluster.
    session = SparkSession.builder.master("local[2,4]").appName("check")
    for key, value in CONF.items():
        session = session.config(key, value)
    session = session.getOrCreate()
    session.sparkContext.addPyFile(str(SCRIPTS / "spark/viewmart_spark.py"))
    for case in cases(checks, session, dirty):
        begun = time.monotonic()
        case()
        print(f"{case.__name__}: ok in {time.monotonic() - begun:.1f} s", flush=True)
    session.stop()


if __name__ == "__main__":
    main()
