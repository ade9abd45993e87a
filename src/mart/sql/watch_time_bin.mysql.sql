-- Customers by thin bins of watch time, with their seconds.
SELECT
  {part},
  {bin} AS FromSeconds,
  COUNT(*),
  SUM(TotalDuration)
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
GROUP BY FromSeconds
