-- What became of the records of each day, from the run that stands.
SELECT run.Month, day.Day, day.Reason, day.Records
FROM {warehouse}.etl_run_day AS day
JOIN {warehouse}.etl_run_published AS run ON run.Id = day.Run
WHERE run.Month = {month}
