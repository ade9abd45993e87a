"""The customer table by ClickHouse (chdb, in this process): clickhouse_month.py LAKE OUT.csv THREADS"""

import time

import chdb
from rules import CATEGORIES, arguments, durations, finish, is_kept, most_watch

lake, out, threads = arguments()
# Its concat_ws turns null into an empty part, so the taste is filtered as an array.
parts = ", ".join(f"if({name}Duration > 0, '{name}', '')" for name in CATEGORIES)
taste = f"if(TotalDuration = 0, 'No', arrayStringConcat(arrayFilter(part -> part != '', [{parts}]), '_')) as Taste"
begun = time.perf_counter()
chdb.query(f"""
select *, {most_watch()}, {taste}
from (
  select contract as Contract, {durations("app", "seconds")}, bitCount(groupBitOr(day)) as Activeness
  from (
    select tupleElement(_source, 'Contract') as contract, tupleElement(_source, 'AppName') as app,
      tupleElement(_source, 'TotalDuration') as seconds,
      bitShiftLeft(toUInt32(1), toUInt8(substring(_file, 7, 2))) as day
    from file('{lake}/*.json', 'JSONEachRow', '_source Tuple(Contract String, TotalDuration Int64, AppName String)')
  )
  where {is_kept("contract", "app", "seconds")} group by contract
)
into outfile '{out}' truncate format CSVWithNames
settings max_threads = {threads}, input_format_skip_unknown_fields = 1, input_format_null_as_default = 1,
  input_format_json_ignore_unknown_keys_in_named_tuple = 1,
  input_format_json_defaults_for_missing_elements_in_named_tuple = 1
""")
seconds = time.perf_counter() - begun
version = chdb.query("select version()", "TabSeparated").data().strip()
finish("clickhouse", version, seconds)
