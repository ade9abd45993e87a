-- Customers by thin slices of watch time, with their seconds.
SELECT
  {part},
  {slice} AS FromSeconds,
  COUNT(*),
  SUM(TotalDuration)
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
GROUP BY FromSeconds
