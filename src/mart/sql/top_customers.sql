-- The customers with the most seconds; equal seconds in the order of their contracts' bytes.
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
  WHERE {who}
  ORDER BY TotalDuration DESC, Contract
  LIMIT {n}
) AS top
