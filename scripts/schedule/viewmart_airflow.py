"""Two DAGs of Airflow (2.4 or later): one makes each month by itself, one makes a year again.

A month that is up to date is left as it is, so that a task may be cleared and run again at any time. What no further
try could mend fails at once: exit 2 is a wrong setting, exit 4 is data that was refused.
"""

import subprocess

import pendulum
from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException

VIEWMART = [
    "viewmart",
    "run",
    "--config=/etc/viewmart/viewmart.toml",
    "--lineage=/var/log/viewmart/events.ndjson",
]
HOPELESS = (2, 4)


def run_viewmart(*words: str) -> None:
    code = subprocess.run([*VIEWMART, *words], check=False).returncode
    if code in HOPELESS:
        raise AirflowFailException(f"viewmart ended with exit {code}: somebody has to look")
    if code:
        raise AirflowException(f"viewmart ended with exit {code}")


@dag(schedule="0 5 2 * *", start_date=pendulum.datetime(2022, 1, 1, tz="UTC"), catchup=True, max_active_runs=1)
def viewmart_month():
    @task(retries=3, retry_delay=pendulum.duration(minutes=20))
    def run(data_interval_end=None):
        month = data_interval_end.subtract(months=1).strftime("%Y-%m")
        run_viewmart(f"--month={month}", "--reprocess=changed")

    run()


@dag(
    schedule=None,
    start_date=pendulum.datetime(2022, 1, 1, tz="UTC"),
    params={"months": "2022-01..2022-12", "rules": "/etc/viewmart/rules.toml"},
)
def viewmart_year_again():
    @task(retries=1)
    def run(params=None):
        run_viewmart(f"--month={params['months']}", f"--rules={params['rules']}")

    run()


viewmart_month()
viewmart_year_again()
