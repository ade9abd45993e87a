-- The hundred customers with the most seconds; equal seconds in the order of their contracts' bytes.
SELECT
  Month,
  ROW_NUMBER() OVER (ORDER BY TotalDuration DESC, Contract),
  Contract,
  TotalDuration,
  Taste,
  Activeness
FROM (
  SELECT Month, Contract, TotalDuration, Taste, Activeness
  FROM {warehouse}.customer_behavior
  WHERE Month = {month}
  ORDER BY TotalDuration DESC, Contract
  LIMIT 100
) AS top
