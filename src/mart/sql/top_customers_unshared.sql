-- The ten customers with the most seconds of those who are no shared account: who play at most 24 hours on an active day.
SELECT
  {month},
  ROW_NUMBER() OVER (ORDER BY TotalDuration DESC, Contract),
  Contract,
  TotalDuration,
  Taste,
  Activeness
FROM (
  SELECT Contract, TotalDuration, Taste, Activeness
  FROM {work}boundary_customer
  WHERE TotalDuration <= 86400 * Activeness
  ORDER BY TotalDuration DESC, Contract
  LIMIT 10
) AS top
