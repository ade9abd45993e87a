-- Reach and seconds of each category. One pass over the customers gives one row of sums, `total`; `category` turns that
-- row into five. A share of nothing is 0.
SELECT
  {month},
  Category,
  Users,
  COALESCE(Users * 1e0 / NULLIF(AllUsers, 0), 0),
  Seconds,
  COALESCE(Seconds * 1e0 / NULLIF(AllSeconds, 0), 0),
  COALESCE(Seconds * 1e0 / NULLIF(Users, 0), 0),
  MostWatchUsers
FROM (
  SELECT
    category.Category,
    total.AllUsers,
    total.AllSeconds,
    CASE category.Category
      WHEN 'Movie' THEN total.MovieUsers
      WHEN 'Sport' THEN total.SportUsers
      WHEN 'Child' THEN total.ChildUsers
      WHEN 'Relax' THEN total.RelaxUsers
      ELSE total.TvUsers
    END AS Users,
    CASE category.Category
      WHEN 'Movie' THEN total.MovieSeconds
      WHEN 'Sport' THEN total.SportSeconds
      WHEN 'Child' THEN total.ChildSeconds
      WHEN 'Relax' THEN total.RelaxSeconds
      ELSE total.TvSeconds
    END AS Seconds,
    CASE category.Category
      WHEN 'Movie' THEN most.MovieUsers
      WHEN 'Sport' THEN most.SportUsers
      WHEN 'Child' THEN most.ChildUsers
      WHEN 'Relax' THEN most.RelaxUsers
      ELSE most.TvUsers
    END AS MostWatchUsers
  FROM (
    SELECT
      COUNT(*) AS AllUsers,
      COALESCE(SUM(TotalDuration), 0) AS AllSeconds,
      COUNT(CASE WHEN MovieDuration > 0 THEN 1 END) AS MovieUsers,
      COUNT(CASE WHEN SportDuration > 0 THEN 1 END) AS SportUsers,
      COUNT(CASE WHEN ChildDuration > 0 THEN 1 END) AS ChildUsers,
      COUNT(CASE WHEN RelaxDuration > 0 THEN 1 END) AS RelaxUsers,
      COUNT(CASE WHEN TvDuration > 0 THEN 1 END) AS TvUsers,
      COALESCE(SUM(MovieDuration), 0) AS MovieSeconds,
      COALESCE(SUM(SportDuration), 0) AS SportSeconds,
      COALESCE(SUM(ChildDuration), 0) AS ChildSeconds,
      COALESCE(SUM(RelaxDuration), 0) AS RelaxSeconds,
      COALESCE(SUM(TvDuration), 0) AS TvSeconds
    FROM {warehouse}.customer_behavior
    WHERE Month = {month}
  ) AS total
  CROSS JOIN (
    SELECT
      COALESCE(SUM(CASE WHEN MostWatch = 'Movie' THEN Users END), 0) AS MovieUsers,
      COALESCE(SUM(CASE WHEN MostWatch = 'Sport' THEN Users END), 0) AS SportUsers,
      COALESCE(SUM(CASE WHEN MostWatch = 'Child' THEN Users END), 0) AS ChildUsers,
      COALESCE(SUM(CASE WHEN MostWatch = 'Relax' THEN Users END), 0) AS RelaxUsers,
      COALESCE(SUM(CASE WHEN MostWatch = 'Tv' THEN Users END), 0) AS TvUsers
    FROM {mart}.customer_segments
    WHERE Month = {month}
  ) AS most
  CROSS JOIN (
    SELECT 'Movie' AS Category
    UNION ALL SELECT 'Sport'
    UNION ALL SELECT 'Child'
    UNION ALL SELECT 'Relax'
    UNION ALL SELECT 'Tv'
  ) AS category
) AS audience
