"""The customer table by DuckDB: duckdb_month.py LAKE OUT.csv THREADS"""

import time

import duckdb
from rules import arguments, durations, finish, is_kept, most_watch, taste

lake, out, threads = arguments()
begun = time.perf_counter()
connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
connection.execute(f"""
copy (
  with record as (
    select source.Contract as contract, source.AppName as app, source.TotalDuration as seconds,
      1::bigint << cast(substr(parse_filename(file), 7, 2) as integer) as day
    from read_json('{lake}/*.json*', format = 'newline_delimited', filename = true,
      columns = {{'_source': 'STRUCT(Contract VARCHAR, TotalDuration BIGINT, AppName VARCHAR)'}}) as line(source, file)
  ), profile as (
    select contract as Contract, {durations("app", "seconds")}, bit_count(bit_or(day)) as Activeness
    from record where {is_kept("contract", "app", "seconds")} group by contract
  )
  select *, {most_watch()}, {taste()} from profile
) to '{out}' (format csv, header)
""")
finish("duckdb", duckdb.__version__, time.perf_counter() - begun)
