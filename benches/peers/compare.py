"""Whether a peer found what viewmart found: compare.py MONTH.parquet RESULT

RESULT is a CSV or Parquet file, or a folder of them. Every row and column counts, the order of the rows does not.
Exit code 0 and `equal` when all are the same, else 1 and the first differences.
"""

import os
import sys

import duckdb
from rules import COLUMNS

N_SHOWN = 10
TEXTS = {"Contract", "MostWatch", "Taste"}


def reader(path):
    """SQL: the rows of a CSV or Parquet file or folder."""
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name.endswith((".csv", ".parquet")))
        files = [os.path.join(path, name) for name in names if os.path.getsize(os.path.join(path, name))]
        if not files:
            sys.exit(f"compare.py: {path} holds no .csv or .parquet file")
    else:
        files = [path]
    listed = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    if files[0].endswith(".parquet"):
        return f"read_parquet({listed})"
    # All as text: nothing is guessed, not even of a contract that looks like a number.
    return f"read_csv({listed}, header = true, delim = ',', quote = '\"', escape = '\"', all_varchar = true)"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: compare.py MONTH.parquet RESULT")
    month, result = sys.argv[1:]
    connection = duckdb.connect()
    columns = ", ".join(
        f"cast({name} as {'varchar' if name in TEXTS else 'bigint'}) as {name}" for name in COLUMNS
    )
    connection.execute(f"create table viewmart as select {columns} from {reader(month)}")
    connection.execute(f"create table peer as select {columns} from {reader(result)}")
    faults = []

    def rows(sql):
        return connection.execute(sql).fetchall()

    ((n_viewmart, n_contracts, n_peer),) = rows(
        "select (select count(*) from viewmart), (select count(distinct Contract) from viewmart), count(*) from peer"
    )
    if n_viewmart != n_contracts:
        faults.append(f"viewmart has {n_viewmart} rows but {n_contracts} contracts")
    if n_viewmart != n_peer:
        faults.append(f"viewmart has {n_viewmart} rows, the peer {n_peer}")
    ((n_months, n_dates, n_empty),) = rows(
        f"select count(distinct Month), count(distinct Date), count(*) filter (Month is null or Date is null) "
        f"from {reader(month)}"
    )
    if n_viewmart and (n_months, n_dates, n_empty) != (1, 1, 0):
        faults.append(f"viewmart has {n_months} months, {n_dates} dates and {n_empty} rows without one")
    for here, there in [("viewmart", "peer"), ("peer", "viewmart")]:
        connection.execute(f"create table only_{here} as select * from {here} except all select * from {there}")
        ((n_only,),) = rows(f"select count(*) from only_{here}")
        if n_only:
            faults.append(f"{n_only} rows are in {here} alone:")
            shown = rows(f"select * from only_{here} order by Contract limit {N_SHOWN}")
            faults.extend("  " + " ".join(f"{name}={value}" for name, value in zip(COLUMNS, row)) for row in shown)
    print("\n".join(faults) if faults else f"equal: {n_viewmart} rows, {len(COLUMNS)} columns")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
