"""The questions of benches/audience.rs to a month file, in DuckDB.

    python benches/peers/duckdb_audience.py MONTH.parquet [--viewmart BINARY] [--runs 7]

Prints, for each question, the number of customers found, and the median time of counting them in the file and in a
table in memory that was made of it before. With --viewmart the numbers are held against `viewmart audience --count`.
The month has to be April 2022, whose weekends and halves the conditions below have written out.
"""

import argparse
import statistics
import subprocess
import time

import duckdb

WEEKEND = sum(1 << day - 1 for day in (2, 3, 9, 10, 16, 17, 23, 24, 30))
FIRST_HALF = (1 << 15) - 1
# Days without a record between the first and the last active day, and of those the begins of runs of seven.
SILENT = "(~Days & ((1 << CAST(floor(log2(Days)) AS INT)) - 1) & ~((Days & -Days) - 1))"
WEEK_OF_SILENCE = " & ".join(f"({SILENT} >> {n})" for n in range(7))

QUESTIONS = {
    "tv and not movie": "TvDuration > 0 AND NOT MovieDuration > 0",
    "sport and on weekend and not movie": f"SportDuration > 0 AND Days & {WEEKEND} <> 0 AND NOT MovieDuration > 0",
    "active(1..15) >= 5 and trend < 0.5": (
        f"bit_count(Days & {FIRST_HALF}) >= 5 AND 2 * bit_count(Days & ~{FIRST_HALF}) < bit_count(Days & {FIRST_HALF})"
    ),
    "last < 20": "Days >> 19 = 0",
    "per_day > 24h": "TotalDuration > 86400 * Activeness",
    "taste = 'Movie_Tv' or gap >= 7": f"Taste = 'Movie_Tv' OR ({WEEK_OF_SILENCE}) <> 0",
    "contract like 'HN00%' and total > 3h": "Contract LIKE 'HN00%' AND TotalDuration > 10800",
}


def median_ms(connection, sql, n_runs):
    times = []
    for _ in range(n_runs):
        begun = time.perf_counter()
        found = connection.execute(sql).fetchone()[0]
        times.append((time.perf_counter() - begun) * 1000)
    return found, statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("month")
    parser.add_argument("--viewmart")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    connection = duckdb.connect()
    path = arguments.month.replace("'", "''")
    begun = time.perf_counter()
    connection.execute(f"CREATE TABLE month AS SELECT * FROM '{path}'")
    print(f"DuckDB {duckdb.__version__}: table made in {(time.perf_counter() - begun) * 1000:.0f} ms")
    print(f"{'customers':>10} {'file ms':>9} {'table ms':>9}  question")
    for question, condition in QUESTIONS.items():
        sql = "SELECT count(*) FROM {} WHERE " + condition
        found, in_file = median_ms(connection, sql.format(f"'{path}'"), arguments.runs)
        _, in_table = median_ms(connection, sql.format("month"), arguments.runs)
        print(f"{found:>10} {in_file:>9.1f} {in_table:>9.1f}  {question}")
        if arguments.viewmart:
            command = [arguments.viewmart, "audience", arguments.month, question, "--count"]
            told = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            assert told == found, f"viewmart finds {told}"


if __name__ == "__main__":
    main()
