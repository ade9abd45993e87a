"""A Spark cluster on this machine: the standalone master and the workers of PyPI's pyspark.

Each worker has an address of its own (127.0.0.1, 127.0.0.2, ...), so that Spark takes them for machines: it fetches over
the network between them, and never runs a task twice at once on one. All of it ends with the process that started it.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

# A cluster comes up in 5 s; on a machine that builds beside it, in up to 60 s.
PATIENCE_S = 120
# The nodes are on this machine, whatever proxy its user has.
WEB = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def wait_until(what, holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def parent_of(pid):
    """The parent of a process, 0 of one that has ended."""
    with contextlib.suppress(OSError):
        # The name before it, in parentheses, may hold anything.
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def processes_below(top):
    """A process and all that it started, directly or not."""
    parents = {int(path.name): parent_of(path.name) for path in pathlib.Path("/proc").glob("[0-9]*")}
    found = [top]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def words_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


class Cluster:
    """Uses the ports from `port` on: two of the master, two of each worker. Workers are numbered from 1."""

    def __init__(self, folder, port, n_workers=2, n_cores=1, memory="1g"):
        self.folder, self.port, self.n_workers, self.n_cores, self.memory = folder, port, n_workers, n_cores, memory
        self.url, self.nodes, self.scratch = f"spark://127.0.0.1:{port}", {}, folder / "tmp"
        self.home = pathlib.Path(importlib.util.find_spec("pyspark").origin).resolve().parent
        for name in ["conf", "log", "tmp"]:
            (folder / name).mkdir(parents=True)

    def __enter__(self):
        try:
            for node in ["master", *range(1, self.n_workers + 1)]:
                self.start(node)
            self.wait()
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def environment(self, host):
        """That of a process of the cluster, or of a driver. What this machine's user has set for Spark is not in it."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "VIEWMART_"))} | {
            "SPARK_HOME": str(self.home), "SPARK_CONF_DIR": str(self.folder / "conf"), "SPARK_LOCAL_IP": host,
            "TMPDIR": str(self.scratch), "PYSPARK_PYTHON": sys.executable,
            "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={self.scratch}",
        }

    def start(self, node):
        host, port = ("127.0.0.1", self.port) if node == "master" else (f"127.0.0.{node}", self.port + 2 * node)
        address = ["--host", host, "--port", str(port), "--webui-port", str(port + 1)]
        if node == "master":
            words = ["org.apache.spark.deploy.master.Master", *address]
        else:
            words = ["org.apache.spark.deploy.worker.Worker", *address, "--cores", str(self.n_cores)]
            words += ["--memory", self.memory, "--work-dir", str(self.folder / f"work-{node}"), self.url]
        env = self.environment(host) | {
            "SPARK_LOCAL_DIRS": str(self.folder / f"local-{node}"), "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
        }
        with open(self.folder / f"log/{node}", "a") as log:
            self.nodes[node] = subprocess.Popen(
                [self.home / "bin/spark-class", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                start_new_session=True, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )

    def wait(self):
        """Until the master knows the workers that run, and no others."""
        n_workers = len(self.nodes) - 1
        wait_until(f"{n_workers} workers are there", lambda: self.status().get("aliveworkers") == n_workers)

    def status(self):
        for node, process in self.nodes.items():
            assert process.poll() is None, f"{node} ended: {(self.folder / f'log/{node}').read_text()[-2000:]}"
        try:
            with WEB.open(f"http://127.0.0.1:{self.port + 1}/json/", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}

    def executor(self, n):
        """The executor of worker n, or None."""
        of_worker = processes_below(self.nodes[n].pid)
        return next((pid for pid in of_worker if any(".CoarseGrainedExecutorBackend" in word for word in words_of(pid))), None)

    def kill(self, n):
        """Kills a worker, and waits until the master has seen it."""
        worker = self.nodes.pop(n)
        worker.kill()
        worker.wait()
        self.wait()

    def restart(self, n):
        self.start(n)
        self.wait()

    def stop(self):
        for process in self.nodes.values():
            # Executors end with their workers, but not at once.
            for pid in processes_below(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
