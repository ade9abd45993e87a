-- Quantiles of TotalDuration over customers and the part of the top decile.
-- A quantile is the value at the nearest rank: the smallest number of seconds that at least this share of the customers
-- do not exceed. The top decile is the tenth of the customers, rounded up, with the most seconds.
-- watch_time_rank says in which bin each of them stands.
WITH customer AS (
  SELECT TotalDuration AS Seconds, COUNT(*) AS Users
  FROM {work}boundary_customer
  WHERE TotalDuration >= 3600
  GROUP BY TotalDuration
  UNION ALL
  SELECT FromSeconds, SUM(Users)
  FROM {work}watch_time_bin
  WHERE FromSeconds < 3600
  GROUP BY FromSeconds
), ranked AS (
  SELECT
    bounds.Mark,
    bounds.Place,
    bounds.SecondsAbove,
    customer.Seconds,
    customer.Users,
    bounds.Below
      + SUM(customer.Users) OVER (PARTITION BY bounds.Mark ORDER BY customer.Seconds) AS UpTo
  -- In this order: SQLite would go through the customers once for each mark otherwise.
  FROM customer
  CROSS JOIN {work}watch_time_rank AS bounds
  WHERE bounds.Mark < 100
    AND customer.Seconds >= bounds.FromSeconds
    AND customer.Seconds <= bounds.LastSeconds
), found AS (
  SELECT
    MIN(CASE WHEN Mark = 50 THEN Seconds END) AS MedianSeconds,
    MIN(CASE WHEN Mark = 90 THEN Seconds END) AS P90Seconds,
    MIN(CASE WHEN Mark = 99 THEN Seconds END) AS P99Seconds,
    -- The top decile: all above the bounds, all within them above the mark, of those at the mark as many as belong.
    MAX(CASE WHEN Mark = 0 THEN SecondsAbove END)
      + SUM(CASE WHEN Mark = 0 THEN Seconds * (CASE WHEN UpTo - Users >= Place THEN Users ELSE UpTo - Place + 1 END) END)
      AS TopTenthSeconds
  FROM ranked
  WHERE UpTo >= Place
), total AS (
  SELECT SUM(Users) AS Users, SUM(Seconds) AS Seconds
  FROM {mart}.watch_time_distribution
  WHERE Month = {month}
)
SELECT
  {month},
  total.Users,
  total.Seconds,
  COALESCE(found.MedianSeconds, 0),
  COALESCE(found.P90Seconds, 0),
  COALESCE(found.P99Seconds, 0),
  (total.Users + 9 - (total.Users + 9) % 10) / 10,
  COALESCE(found.TopTenthSeconds, 0),
  -- Adding 0 keeps a share of a negative sum from being -0.
  COALESCE(found.TopTenthSeconds * 1e0 / NULLIF(total.Seconds, 0), 0) + 0e0
FROM total
CROSS JOIN found
