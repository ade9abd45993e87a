"""The customer table by Polars, streaming: polars_month.py LAKE OUT.csv THREADS"""

import os
import time

from rules import CATEGORIES, MAX_SECONDS, MIN_SECONDS, arguments, finish

lake, out, threads = arguments()
os.environ["POLARS_MAX_THREADS"] = str(threads)  # read when Polars is imported
import polars as pl  # noqa: E402

begun = time.perf_counter()
fields = pl.Struct({"Contract": pl.String, "TotalDuration": pl.Int64, "AppName": pl.String})
source = pl.col("_source").struct
category = {app: place for place, apps in enumerate(CATEGORIES.values()) for app in apps}
names = [f"{name}Duration" for name in CATEGORIES]
most = pl.max_horizontal(names)
most_watch = pl.when(most == 0).then(pl.lit("No"))
for name in CATEGORIES:
    most_watch = most_watch.when(pl.col(f"{name}Duration") == most).then(pl.lit(name))
taste = pl.concat_str(
    [pl.when(pl.col(f"{name}Duration") > 0).then(pl.lit(name)) for name in CATEGORIES],
    separator="_",
    ignore_nulls=True,
)
(
    pl.scan_ndjson(f"{lake}/*.json", schema={"_source": fields}, include_file_paths="file")
    .select(
        source.field("Contract").alias("Contract"),
        source.field("TotalDuration").alias("seconds"),
        source.field("AppName").replace_strict(category, default=None, return_dtype=pl.Int8).alias("category"),
        pl.col("file").str.slice(-7, 2).alias("day"),
    )
    .filter(
        pl.col("category").is_not_null(),
        pl.col("Contract") != "",
        pl.col("seconds").is_between(MIN_SECONDS, MAX_SECONDS),
    )
    .group_by("Contract")
    .agg(
        *[pl.col("seconds").filter(pl.col("category") == place).sum().alias(name) for place, name in enumerate(names)],
        pl.col("seconds").sum().alias("TotalDuration"),
        pl.col("day").n_unique().alias("Activeness"),
    )
    .with_columns(
        most_watch.alias("MostWatch"),
        pl.when(most == 0).then(pl.lit("No")).otherwise(taste).alias("Taste"),
    )
    .collect(engine="streaming")
    .write_csv(out)
)
finish("polars", pl.__version__, time.perf_counter() - begun)
