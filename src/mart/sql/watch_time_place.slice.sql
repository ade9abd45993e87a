-- Step 2: the slices of those bands in which the customers stand: an hour wide from 64 h on, ten minutes from 1 h on, else
-- a second. Sorting all customers would take seconds; this leaves a few thousand of them.
WITH slice AS (
  SELECT
    TotalDuration - TotalDuration % Width AS FromSeconds,
    TotalDuration - TotalDuration % Width + Width AS ToSeconds,
    COUNT(*) AS Users,
    SUM(TotalDuration) AS Seconds
  FROM (
    SELECT
      TotalDuration,
      CASE WHEN TotalDuration >= 230400 THEN 3600 WHEN TotalDuration >= 3600 THEN 600 ELSE 1 END AS Width
    FROM {warehouse}.customer_behavior
    WHERE Month = {month}
      AND (
        TotalDuration >= (SELECT FromSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 50)
        AND TotalDuration < (SELECT ToSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 50)
        OR TotalDuration >= (SELECT FromSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 90)
        AND TotalDuration < (SELECT ToSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 90)
        OR TotalDuration >= (SELECT FromSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 99)
        AND TotalDuration < (SELECT ToSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 99)
        OR TotalDuration >= (SELECT FromSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 0)
        AND TotalDuration < (SELECT ToSeconds FROM {mart}.watch_time_place WHERE Month = {month} AND Step = 1 AND Mark = 0)
      )
  ) AS customer
  GROUP BY FromSeconds, ToSeconds
), placed AS (
  SELECT
    place.Mark,
    place.Place,
    slice.FromSeconds,
    slice.ToSeconds,
    slice.Users,
    place.Below + SUM(slice.Users) OVER (PARTITION BY place.Mark ORDER BY slice.FromSeconds) AS UpTo,
    place.SecondsAbove + SUM(slice.Seconds) OVER (PARTITION BY place.Mark ORDER BY slice.FromSeconds DESC)
      - slice.Seconds AS SecondsAbove
  -- In this order: SQLite would go through the customers once for each place otherwise.
  FROM slice
  CROSS JOIN {mart}.watch_time_place AS place
  WHERE place.Month = {month}
    AND place.Step = 1
    AND slice.FromSeconds >= place.FromSeconds
    AND slice.FromSeconds < place.ToSeconds
)
SELECT {month}, 2, Mark, Place, FromSeconds, ToSeconds, UpTo - Users, SecondsAbove
FROM placed
WHERE Place > UpTo - Users AND Place <= UpTo
