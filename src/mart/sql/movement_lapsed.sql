-- The customers of the month before who are not in the month: Cell is 3 and 4 times their key.
SELECT
  3 + 4 * {key_before} AS Cell,
  past.Taste AS TasteBefore,
  '' AS Taste,
  0 AS Seconds,
  past.TotalDuration AS SecondsBefore
FROM (
  SELECT *
  FROM {warehouse}.customer_behavior
  WHERE Month = {month_before} AND {range}
) AS past
LEFT JOIN {warehouse}.customer_behavior AS present ON present.Month = {month} AND present.Contract = past.Contract
WHERE present.Contract IS NULL
