-- What the tables of a month have in common when they come from one run: what it is, a table and the value there, another
-- table and the value there.
WITH cell AS (
  SELECT
    Users,
    Cell & 31 AS ActiveDays,
    -- 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv: of more than 0 seconds, of less, in the taste; the most watched one is 2
    -- to 32, and 1 for none.
    (Cell >> 5) & 31 AS Watched,
    (Cell >> 10) & 31 AS Negative,
    1 << (Cell >> 15) AS MostWatch,
    (INSTR(Taste, 'Movie') > 0) + 2 * (INSTR(Taste, 'Sport') > 0) + 4 * (INSTR(Taste, 'Child') > 0)
      + 8 * (INSTR(Taste, 'Relax') > 0) + 16 * (INSTR(Taste, 'Tv') > 0) AS InTaste,
    Taste = 'No' AS IsNoTaste,
    MovieSeconds, SportSeconds, ChildSeconds, RelaxSeconds, TvSeconds, Seconds
  FROM {work}customer_cell
), customer AS (
  SELECT
    CASE WHEN COALESCE(SUM(Users), 0) > 0 THEN 'there' ELSE 'missing' END AS Users,
    COALESCE(SUM(Users * ActiveDays), 0) AS ActiveDays,
    COALESCE(SUM(CASE
      WHEN Watched > 0 THEN CASE WHEN (2 * Watched) & MostWatch = 0 THEN Users ELSE 0 END
      WHEN Negative = 0 THEN CASE WHEN MostWatch > 1 THEN Users ELSE 0 END
      WHEN Negative = 31 THEN CASE WHEN MostWatch = 1 THEN Users ELSE 0 END
      -- 0 seconds are more than less than 0.
      ELSE CASE WHEN (2 * Negative + 1) & MostWatch > 0 THEN Users ELSE 0 END
    END), 0) AS OtherMostWatch,
    COALESCE(SUM(CASE
      WHEN InTaste = 0 AND NOT IsNoTaste THEN Users
      WHEN InTaste = Watched OR InTaste = (Watched | Negative) THEN 0
      ELSE Users
    END), 0) AS OtherTaste,
    COALESCE(SUM(MovieSeconds), 0) AS Movie,
    COALESCE(SUM(SportSeconds), 0) AS Sport,
    COALESCE(SUM(ChildSeconds), 0) AS Child,
    COALESCE(SUM(RelaxSeconds), 0) AS Relax,
    COALESCE(SUM(TvSeconds), 0) AS Tv,
    COALESCE(SUM(Seconds), 0) AS Total
  FROM cell
), counted AS (
  SELECT COALESCE(SUM(Users), 0) AS Customers FROM {work}customer_cell
), device AS (
  SELECT COUNT(*) AS Customers FROM {warehouse}.customer_devices WHERE Month = {month}
), day AS (
  SELECT
    COALESCE(SUM(ActiveUsers), 0) AS ActiveDays,
    COALESCE(SUM(MovieDuration), 0) AS Movie,
    COALESCE(SUM(SportDuration), 0) AS Sport,
    COALESCE(SUM(ChildDuration), 0) AS Child,
    COALESCE(SUM(RelaxDuration), 0) AS Relax,
    COALESCE(SUM(TvDuration), 0) AS Tv,
    COALESCE(SUM(TotalDuration), 0) AS Total,
    COALESCE(SUM(Records), 0) AS Records
  FROM {warehouse}.daily_activity
  WHERE Month = {month}
), run AS (
  SELECT
    COALESCE(SUM(RecordsKept), 0) AS Records,
    CASE WHEN COALESCE(SUM(RecordsKept), 0) > 0 THEN 'there' ELSE 'missing' END AS Users
  FROM {warehouse}.etl_run_published
  WHERE Month = {month}
)
SELECT 'the customers', 'customer_behavior', customer.Users, 'the run in etl_run', run.Users FROM customer CROSS JOIN run
UNION ALL
SELECT
  'the customers',
  'customer_behavior',
  counted.Customers,
  'customer_devices',
  CASE WHEN device.Customers = 0 THEN counted.Customers ELSE device.Customers END
FROM counted CROSS JOIN device
UNION ALL
SELECT 'the active days of all customers', 'customer_behavior', customer.ActiveDays, 'daily_activity', day.ActiveDays FROM customer CROSS JOIN day
UNION ALL
SELECT 'the customers whose MostWatch contradicts their seconds', 'customer_behavior', OtherMostWatch, 'what a run writes', 0 FROM customer
UNION ALL
SELECT 'the customers whose Taste contradicts their seconds', 'customer_behavior', OtherTaste, 'what a run writes', 0 FROM customer
UNION ALL
SELECT 'the seconds of Movie', 'customer_behavior', customer.Movie, 'daily_activity', day.Movie FROM customer CROSS JOIN day
UNION ALL
SELECT 'the seconds of Sport', 'customer_behavior', customer.Sport, 'daily_activity', day.Sport FROM customer CROSS JOIN day
UNION ALL
SELECT 'the seconds of Child', 'customer_behavior', customer.Child, 'daily_activity', day.Child FROM customer CROSS JOIN day
UNION ALL
SELECT 'the seconds of Relax', 'customer_behavior', customer.Relax, 'daily_activity', day.Relax FROM customer CROSS JOIN day
UNION ALL
SELECT 'the seconds of Tv', 'customer_behavior', customer.Tv, 'daily_activity', day.Tv FROM customer CROSS JOIN day
UNION ALL
SELECT 'all seconds', 'customer_behavior', customer.Total, 'daily_activity', day.Total FROM customer CROSS JOIN day
UNION ALL
SELECT 'the kept records', 'daily_activity', day.Records, 'etl_run', run.Records FROM day CROSS JOIN run
