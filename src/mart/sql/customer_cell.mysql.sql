-- Customers counted by what tells them apart in most of the mart, with their seconds.
SELECT
  {part},
  {cell} AS Cell,
  MIN(Taste),
  COUNT(*),
  SUM(TotalDuration),
  SUM(MovieDuration),
  SUM(SportDuration),
  SUM(ChildDuration),
  SUM(RelaxDuration),
  SUM(TvDuration)
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
GROUP BY Cell
