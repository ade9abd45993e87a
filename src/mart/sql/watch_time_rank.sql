-- Where the customers stand that watch_time_summary and top_customers ask for: the bin of each. Mark 50, 90 and 99 is the
-- nearest rank of that percentage, Mark 0 the first of the top decile, Mark 100 the last of the hundred with the most
-- seconds. Place counts from the customer with the fewest seconds; Below counts the customers below the bin,
-- SecondsAbove are the seconds of those above it.
WITH bin AS (
  SELECT FromSeconds, SUM(Users) AS Users, SUM(Seconds) AS Seconds
  FROM {work}watch_time_bin
  GROUP BY FromSeconds
), ranked AS (
  SELECT
    FromSeconds,
    Users,
    SUM(Users) OVER (ORDER BY FromSeconds) AS UpTo,
    SUM(Seconds) OVER () - SUM(Seconds) OVER (ORDER BY FromSeconds) AS SecondsAbove
  FROM bin
), mark AS (
  SELECT 50 AS Mark
  UNION ALL SELECT 90
  UNION ALL SELECT 99
  UNION ALL SELECT 0
  UNION ALL SELECT 100
), wanted AS (
  SELECT
    mark.Mark,
    CASE
      WHEN mark.Mark = 0 THEN total.Users + 1 - (total.Users + 9 - (total.Users + 9) % 10) / 10
      WHEN mark.Mark = 100 THEN CASE WHEN total.Users > 100 THEN total.Users - 99 ELSE 1 END
      ELSE (mark.Mark * total.Users + 99 - (mark.Mark * total.Users + 99) % 100) / 100
    END AS Place
  FROM mark
  CROSS JOIN (SELECT SUM(Users) AS Users FROM bin) AS total
)
SELECT
  wanted.Mark,
  wanted.Place,
  ranked.FromSeconds,
  -- The last bin ends with the largest number of 64 bits.
  CASE
    WHEN ranked.FromSeconds > 9223372036854775807 - 3599 THEN 9223372036854775807
    ELSE ranked.FromSeconds
      + CASE WHEN ranked.FromSeconds >= 230400 THEN 3599 WHEN ranked.FromSeconds >= 3600 THEN 599 ELSE 0 END
  END,
  ranked.UpTo - ranked.Users,
  ranked.SecondsAbove
FROM wanted
JOIN ranked ON wanted.Place > ranked.UpTo - ranked.Users AND wanted.Place <= ranked.UpTo
