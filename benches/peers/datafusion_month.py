"""The customer table by DataFusion: datafusion_month.py LAKE OUT_FOLDER THREADS"""

import glob
import os
import time

import datafusion
import pyarrow
from rules import arguments, durations, finish, is_kept, most_watch, taste

lake, out, threads = arguments()
begun = time.perf_counter()
config = datafusion.SessionConfig().with_target_partitions(threads)
context = datafusion.SessionContext(config.set("datafusion.sql_parser.enable_ident_normalization", "false"))
source = pyarrow.struct(
    [("Contract", pyarrow.string()), ("TotalDuration", pyarrow.int64()), ("AppName", pyarrow.string())]
)
# It gives no file name to a query: a table for each day.
days = []
for path in sorted(glob.glob(f"{lake}/*.json")):
    day = int(os.path.basename(path)[6:8])
    context.register_json(f"day{day}", path, schema=pyarrow.schema([("_source", source)]), file_extension=".json")
    days.append(
        "select _source['Contract'] as contract, _source['AppName'] as app, _source['TotalDuration'] as seconds, "
        f"{1 << (day - 1)} as day from day{day}"
    )
# Nor does it count bits: by pairs, fours, bytes, and their sum.
bits = "days - ((days >> 1) & 1431655765)"
bits = f"(({bits}) & 858993459) + ((({bits}) >> 2) & 858993459)"
bits = f"(({bits}) + (({bits}) >> 4)) & 252645135"
count = f"cast(((({bits}) * 16843009) >> 24) & 255 as int) as Activeness"
context.sql(f"""
select Contract, RelaxDuration, MovieDuration, ChildDuration, SportDuration, TvDuration, TotalDuration,
  {most_watch()}, {taste()}, {count}
from (
  select contract as Contract, {durations("app", "seconds")}, bit_or(day) as days
  from ({" union all ".join(days)}) as record
  where {is_kept("contract", "app", "seconds")} group by contract
) as profile
""").write_csv(out, with_header=True)
finish("datafusion", datafusion.__version__, time.perf_counter() - begun)
