-- What became of every record, from the run that stands. Reasons without a record are listed with 0. `App` is part of the
-- key, so it is empty, not NULL, where a row is not about one app; the records of all rows add up to those read.
WITH run AS (
  SELECT * FROM {warehouse}.etl_run_published WHERE Month = {month}
), app AS (
  SELECT app.App, app.Records
  FROM {warehouse}.etl_run_app AS app
  JOIN run ON run.Id = app.Run
  WHERE app.Category = ''
)
SELECT Month, 'kept', '', RecordsKept FROM run
UNION ALL SELECT Month, 'malformed', '', Rejected_malformed FROM run
UNION ALL SELECT Month, 'duplicate_id', '', Rejected_duplicate_id FROM run
UNION ALL SELECT Month, 'no_contract', '', Rejected_no_contract FROM run
UNION ALL SELECT Month, 'long_contract', '', Rejected_long_contract FROM run
UNION ALL SELECT Month, 'no_app', '', Rejected_no_app FROM run
UNION ALL SELECT Month, 'bad_duration', '', Rejected_bad_duration FROM run
UNION ALL SELECT Month, 'negative_duration', '', Rejected_negative_duration FROM run
UNION ALL SELECT Month, 'over_day', '', Rejected_over_day FROM run
UNION ALL SELECT Month, 'excluded', '', Rejected_excluded FROM run
UNION ALL SELECT Month, 'unmapped_app', '', 0 FROM run WHERE Rejected_unmapped_app = 0
UNION ALL SELECT run.Month, 'unmapped_app', app.App, app.Records FROM run CROSS JOIN app
