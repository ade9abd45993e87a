-- Customers counted by what tells them apart in most of the mart, with their seconds.
SELECT
  {part},
  {cell} AS Cell,
  -- Of different ones none is of use, and the check of the month says so.
  CASE WHEN MIN(Taste) = MAX(Taste) THEN MIN(Taste) ELSE '' END,
  COUNT(*),
  SUM(TotalDuration),
  SUM(MovieDuration),
  SUM(SportDuration),
  SUM(ChildDuration),
  SUM(RelaxDuration),
  SUM(TvDuration),
  MAX(CASE WHEN TotalDuration <= 86400 * Activeness THEN TotalDuration ELSE -1 END)
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
GROUP BY Cell
