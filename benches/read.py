"""The fastest way to read files from the disk of this machine: read.py [--runs N] FILE...

Reads all files with so many reads at once, through the page cache and past it, drops them from the page cache before each
run, and prints a JSON object: the seconds of each way, medians, and the best of them. Needs no root.
"""

import argparse
import json
import mmap
import os
import statistics
import threading
import time

DEPTHS = [1, 2, 4, 8, 16, 32]
PIECE_BYTES = 4 << 20
# The part of the files that may stay in the page cache.
MAX_KEPT = 0.01


def drop(files):
    """Drops files from the page cache, and says what part of them stays there all the same, by a hundred looks at each."""
    for path in files:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
    n_seen, n_there = 0, 0
    for path in files:
        file, size = os.open(path, os.O_RDONLY), os.path.getsize(path)
        for offset in range(0, size, max(1, size // 100)):
            n_seen += 1
            try:
                n_there += os.preadv(file, [bytearray(1)], offset, os.RWF_NOWAIT)
            except BlockingIOError:
                pass
        os.close(file)
        # What the look asked for.
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
    return n_there / max(1, n_seen)


def read(files, n_readers, is_direct):
    """Seconds to read all files, in pieces in their order, by so many threads."""
    flags = os.O_RDONLY | (os.O_DIRECT if is_direct else 0)
    opened = [(os.open(path, flags), os.path.getsize(path)) for path in files]
    pieces = iter([(file, offset) for file, size in opened for offset in range(0, size, PIECE_BYTES)])
    lock = threading.Lock()

    def work():
        # Aligned, as direct reads need it.
        buffer = mmap.mmap(-1, PIECE_BYTES)
        while True:
            with lock:
                file, offset = next(pieces, (None, 0))
            if file is None:
                return
            os.preadv(file, [buffer], offset)

    readers = [threading.Thread(target=work) for _ in range(n_readers)]
    begun = time.perf_counter()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    seconds = time.perf_counter() - begun
    for file, _ in opened:
        os.close(file)
    return seconds


def find_best(files, n_runs):
    """Seconds of each way, and the best one."""
    samples = {}
    for _ in range(n_runs):
        for is_direct in (False, True):
            for depth in DEPTHS:
                kept = drop(files)
                if kept > MAX_KEPT:
                    raise SystemExit(f"read.py: {kept:.0%} of the files stay in the page cache")
                try:
                    seconds = read(files, depth, is_direct)
                except OSError:
                    # A file system without direct reads.
                    continue
                samples.setdefault(f"{'direct' if is_direct else 'buffered'} {depth}", []).append(seconds)
    medians = {way: round(statistics.median(of), 4) for way, of in samples.items()}
    best = min(medians, key=medians.get)
    return {"seconds": medians, "best": best, "best_s": medians[best]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    args = parser.parse_args()
    print(json.dumps({"bytes": sum(map(os.path.getsize, args.files)), **find_best(args.files, args.runs)}))
