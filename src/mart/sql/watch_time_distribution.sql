-- Customers by total seconds, from FromSeconds (at least) to ToSeconds (less than).
-- All bands have a row; band 0 is `nothing watched`. The bounds -9223372036854775807 and 9223372036854775807 mean `none`.
WITH band AS (
  SELECT 0 AS Band, -9223372036854775807 AS FromSeconds, 1 AS ToSeconds
  UNION ALL SELECT 1, 1, 60
  UNION ALL SELECT 2, 60, 120
  UNION ALL SELECT 3, 120, 180
  UNION ALL SELECT 4, 180, 300
  UNION ALL SELECT 5, 300, 420
  UNION ALL SELECT 6, 420, 600
  UNION ALL SELECT 7, 600, 900
  UNION ALL SELECT 8, 900, 1200
  UNION ALL SELECT 9, 1200, 1800
  UNION ALL SELECT 10, 1800, 2700
  UNION ALL SELECT 11, 2700, 3600
  UNION ALL SELECT 12, 3600, 5400
  UNION ALL SELECT 13, 5400, 7200
  UNION ALL SELECT 14, 7200, 10800
  UNION ALL SELECT 15, 10800, 14400
  UNION ALL SELECT 16, 14400, 21600
  UNION ALL SELECT 17, 21600, 28800
  UNION ALL SELECT 18, 28800, 43200
  UNION ALL SELECT 19, 43200, 57600
  UNION ALL SELECT 20, 57600, 86400
  UNION ALL SELECT 21, 86400, 115200
  UNION ALL SELECT 22, 115200, 172800
  UNION ALL SELECT 23, 172800, 230400
  UNION ALL SELECT 24, 230400, 345600
  UNION ALL SELECT 25, 345600, 460800
  UNION ALL SELECT 26, 460800, 691200
  UNION ALL SELECT 27, 691200, 921600
  UNION ALL SELECT 28, 921600, 1382400
  UNION ALL SELECT 29, 1382400, 1843200
  UNION ALL SELECT 30, 1843200, 2764800
  UNION ALL SELECT 31, 2764800, 3686400
  UNION ALL SELECT 32, 3686400, 9223372036854775807
), filled AS (
  SELECT band.Band, SUM(bin.Users) AS Users, SUM(bin.Seconds) AS Seconds
  FROM {work}watch_time_bin AS bin
  -- The first band has no lower bound, whatever number stands for it.
  JOIN band
    ON (bin.FromSeconds >= band.FromSeconds OR band.Band = 0) AND bin.FromSeconds < band.ToSeconds
  GROUP BY band.Band
), whole AS (
  SELECT SUM(Users) AS Users, SUM(Seconds) AS Seconds FROM filled
)
SELECT
  {month},
  band.Band,
  band.FromSeconds,
  band.ToSeconds,
  COALESCE(filled.Users, 0),
  COALESCE(1e0 * filled.Users / NULLIF(whole.Users, 0), 0),
  COALESCE(filled.Seconds, 0),
  -- Adding 0 keeps a share of a negative sum from being -0.
  COALESCE(1e0 * filled.Seconds / NULLIF(whole.Seconds, 0), 0) + 0e0
FROM band
CROSS JOIN whole
LEFT JOIN filled ON filled.Band = band.Band
