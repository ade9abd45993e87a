-- Step 1: the bands in which the customers stand that watch_time_summary asks for. Mark 50, 90 and 99 is the nearest rank of
-- that percentage, Mark 0 the first of the heaviest tenth. Place counts from the customer with the fewest seconds; Below
-- counts the customers below the band, SecondsAbove are the seconds of those above it.
WITH band AS (
  SELECT
    FromSeconds,
    ToSeconds,
    Users,
    SUM(Users) OVER (ORDER BY Band) AS UpTo,
    SUM(Seconds) OVER () - SUM(Seconds) OVER (ORDER BY Band) AS SecondsAbove
  FROM {mart}.watch_time_distribution
  WHERE Month = {month}
), mark AS (
  SELECT 50 AS Mark
  UNION ALL SELECT 90
  UNION ALL SELECT 99
  UNION ALL SELECT 0
), wanted AS (
  SELECT
    mark.Mark,
    CASE
      WHEN mark.Mark = 0 THEN total.Users + 1 - (total.Users + 9 - (total.Users + 9) % 10) / 10
      ELSE (mark.Mark * total.Users + 99 - (mark.Mark * total.Users + 99) % 100) / 100
    END AS Place
  FROM mark
  CROSS JOIN (SELECT SUM(Users) AS Users FROM {mart}.watch_time_distribution WHERE Month = {month}) AS total
)
SELECT
  {month},
  1,
  wanted.Mark,
  wanted.Place,
  band.FromSeconds,
  band.ToSeconds,
  band.UpTo - band.Users,
  band.SecondsAbove
FROM wanted
JOIN band ON wanted.Place > band.UpTo - band.Users AND wanted.Place <= band.UpTo
