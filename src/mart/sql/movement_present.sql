-- The customers of the month with what they were in the month before.
-- Cell: 0 new, 1 retained, 2 returned; 4 times the key of the month before, where there is one; 32768 times that of the
-- month.
SELECT
  CASE WHEN past.Contract IS NOT NULL THEN 1 WHEN {was_earlier} THEN 2 ELSE 0 END
  + 4 * CASE WHEN past.Contract IS NULL THEN 0 ELSE {key_before} END
  + 32768 * {key} AS Cell,
  COALESCE(past.Taste, '') AS TasteBefore,
  present.Taste,
  present.TotalDuration AS Seconds,
  COALESCE(past.TotalDuration, 0) AS SecondsBefore
FROM (
  SELECT *
  FROM {warehouse}.customer_behavior
  WHERE Month = {month} AND {range}
) AS present
LEFT JOIN {warehouse}.customer_behavior AS past ON past.Month = {month_before} AND past.Contract = present.Contract
