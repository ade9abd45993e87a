"""What every peer shares: the default rules, read from the file that is built into viewmart, as SQL; and the result line.

The peers read the lakes that `viewmart generate` makes: NDJSON files YYYYMMDD.json of one month, which DuckDB also takes
as .gz and .zst, whose rejected records are those without contract, with seconds out of range and of unmapped apps.
"""

import json
import os
import sys
import tomllib

_RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "engine", "rules", "default.toml")
with open(_RULES, "rb") as _file:
    _rules = tomllib.load(_file)

# Category -> apps; the order breaks ties and orders the taste.
CATEGORIES = _rules["category"]
MIN_SECONDS = _rules["record"]["min_seconds"]
MAX_SECONDS = _rules["record"]["max_seconds"]
assert _rules["record"]["exclude_contracts"] == [] and _rules["labels"]["taste"] == "positive"

# The columns of a result, in any order.
COLUMNS = ["Contract", *(f"{name}Duration" for name in CATEGORIES), "TotalDuration", "MostWatch", "Taste", "Activeness"]


def _texts(values):
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def is_kept(contract, app, seconds):
    """SQL: whether a record counts."""
    apps = _texts(app for apps in CATEGORIES.values() for app in apps)
    return f"{contract} <> '' and {seconds} between {MIN_SECONDS} and {MAX_SECONDS} and {app} in ({apps})"


def durations(app, seconds):
    """SQL: the aggregates of one customer, a column for each category and the total."""
    sums = [
        f"sum(case when {app} in ({_texts(apps)}) then {seconds} else 0 end) as {name}Duration"
        for name, apps in CATEGORIES.items()
    ]
    return ",\n  ".join([*sums, f"sum({seconds}) as TotalDuration"])


def most_watch():
    """SQL: the category with the most seconds, the first of equals, `No` when all are 0."""
    names = [f"{name}Duration" for name in CATEGORIES]
    cases = "\n  ".join(f"when {name}Duration = greatest({', '.join(names)}) then '{name}'" for name in CATEGORIES)
    return f"case when TotalDuration = 0 then 'No'\n  {cases} end as MostWatch"


def taste():
    """SQL: the categories with more than 0 seconds joined by `_`, `No` when there is none."""
    parts = ", ".join(f"case when {name}Duration > 0 then '{name}' end" for name in CATEGORIES)
    return f"coalesce(nullif(concat_ws('_', {parts}), ''), 'No') as Taste"


def arguments():
    """Lake, output and threads from the command line of a peer."""
    if len(sys.argv) != 4:
        sys.exit(f"usage: {os.path.basename(sys.argv[0])} LAKE OUT THREADS")
    return sys.argv[1].rstrip("/"), sys.argv[2], int(sys.argv[3])


def finish(engine, version, seconds, **more):
    """Prints the result line: the time from the first look at the lake to the written table."""
    print(json.dumps({"engine": engine, "version": version, "seconds": round(seconds, 3), **more}), flush=True)
