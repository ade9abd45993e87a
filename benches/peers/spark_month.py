"""The customer table by Spark, tuned (schema given, one read, one aggregate): spark_month.py LAKE OUT_FOLDER THREADS

SPARK_MASTER names a cluster to run on; without it Spark runs in one process. The time leaves out its start.
"""

import os
import time

import pyspark
from pyspark.sql import SparkSession
from rules import arguments, durations, finish, is_kept, most_watch, taste

lake, out, threads = arguments()
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
started = time.perf_counter()
spark = (
    SparkSession.builder.master(os.environ.get("SPARK_MASTER", f"local[{threads}]"))
    .config("spark.driver.memory", "6g")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", str(4 * threads))
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
begun = time.perf_counter()
(
    spark.read.schema("_source struct<Contract: string, TotalDuration: bigint, AppName: string>")
    .option("lineSep", "\n")
    .json(f"{lake}/*.json")
    .selectExpr(
        "_source.Contract as contract",
        "_source.AppName as app",
        "_source.TotalDuration as seconds",
        "shiftleft(1L, cast(substring(_metadata.file_name, 7, 2) as int)) as day",
    )
    .createOrReplaceTempView("record")
)
spark.sql(f"""
select *, {most_watch()}, {taste()}
from (
  select contract as Contract, {durations("app", "seconds")}, bit_count(bit_or(day)) as Activeness
  from record where {is_kept("contract", "app", "seconds")} group by contract
)
""").write.mode("overwrite").csv(out, header=True)
seconds = time.perf_counter() - begun
finish("spark", pyspark.__version__, seconds, start_seconds=round(begun - started, 3))
spark.stop()
