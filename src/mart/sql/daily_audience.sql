-- The days of the month.
SELECT
  Month,
  Day,
  ActiveUsers,
  Records,
  MovieDuration,
  SportDuration,
  ChildDuration,
  RelaxDuration,
  TvDuration,
  TotalDuration
FROM {warehouse}.daily_activity
WHERE Month = {month}
