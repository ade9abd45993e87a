-- Reach and seconds of each category, one row of sums turned into five. A share of nothing is 0, and
-- adding 0 keeps a share of a negative sum from being -0.
SELECT
  {month},
  Category,
  Users,
  COALESCE(Users * 1e0 / NULLIF(AllUsers, 0), 0),
  Seconds,
  COALESCE(Seconds * 1e0 / NULLIF(AllSeconds, 0), 0) + 0e0,
  COALESCE(Seconds * 1e0 / NULLIF(Users, 0), 0),
  MostWatchUsers
FROM (
  SELECT
    category.Category,
    segment.AllUsers,
    segment.AllSeconds,
    CASE category.Category
      WHEN 'Movie' THEN segment.MovieUsers
      WHEN 'Sport' THEN segment.SportUsers
      WHEN 'Child' THEN segment.ChildUsers
      WHEN 'Relax' THEN segment.RelaxUsers
      ELSE segment.TvUsers
    END AS Users,
    CASE category.Category
      WHEN 'Movie' THEN total.MovieSeconds
      WHEN 'Sport' THEN total.SportSeconds
      WHEN 'Child' THEN total.ChildSeconds
      WHEN 'Relax' THEN total.RelaxSeconds
      ELSE total.TvSeconds
    END AS Seconds,
    CASE category.Category
      WHEN 'Movie' THEN segment.MovieMost
      WHEN 'Sport' THEN segment.SportMost
      WHEN 'Child' THEN segment.ChildMost
      WHEN 'Relax' THEN segment.RelaxMost
      ELSE segment.TvMost
    END AS MostWatchUsers
  FROM (
    SELECT
      COALESCE(SUM(MovieSeconds), 0) AS MovieSeconds,
      COALESCE(SUM(SportSeconds), 0) AS SportSeconds,
      COALESCE(SUM(ChildSeconds), 0) AS ChildSeconds,
      COALESCE(SUM(RelaxSeconds), 0) AS RelaxSeconds,
      COALESCE(SUM(TvSeconds), 0) AS TvSeconds
    FROM {work}customer_cell
  ) AS total
  CROSS JOIN (
    SELECT
      COALESCE(SUM(Users), 0) AS AllUsers,
      COALESCE(SUM(Seconds), 0) AS AllSeconds,
      COALESCE(SUM(CASE WHEN (Categories & 1) > 0 THEN Users END), 0) AS MovieUsers,
      COALESCE(SUM(CASE WHEN (Categories & 2) > 0 THEN Users END), 0) AS SportUsers,
      COALESCE(SUM(CASE WHEN (Categories & 4) > 0 THEN Users END), 0) AS ChildUsers,
      COALESCE(SUM(CASE WHEN (Categories & 8) > 0 THEN Users END), 0) AS RelaxUsers,
      COALESCE(SUM(CASE WHEN (Categories & 16) > 0 THEN Users END), 0) AS TvUsers,
      COALESCE(SUM(CASE WHEN MostWatch = 'Movie' THEN Users END), 0) AS MovieMost,
      COALESCE(SUM(CASE WHEN MostWatch = 'Sport' THEN Users END), 0) AS SportMost,
      COALESCE(SUM(CASE WHEN MostWatch = 'Child' THEN Users END), 0) AS ChildMost,
      COALESCE(SUM(CASE WHEN MostWatch = 'Relax' THEN Users END), 0) AS RelaxMost,
      COALESCE(SUM(CASE WHEN MostWatch = 'Tv' THEN Users END), 0) AS TvMost
    FROM {mart}.customer_segments
    WHERE Month = {month}
  ) AS segment
  CROSS JOIN (
    SELECT 'Movie' AS Category
    UNION ALL SELECT 'Sport'
    UNION ALL SELECT 'Child'
    UNION ALL SELECT 'Relax'
    UNION ALL SELECT 'Tv'
  ) AS category
) AS audience
