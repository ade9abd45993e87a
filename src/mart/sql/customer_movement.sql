-- Customers by what became of them since the month before, with their seconds in both months. Who was there before has
-- lapsed, but for those who were retained: these come again, to be taken off. A kind without a customer has a row too.
SELECT
  {month},
  CASE
    WHEN side.Again = 1 OR (Cell & 3) = 3 THEN 'lapsed'
    WHEN (Cell & 3) = 0 THEN 'new'
    WHEN (Cell & 3) = 1 THEN 'retained'
    ELSE 'returned'
  END AS Kind,
  SUM(Users * (1 - 2 * side.Again)),
  SUM(Seconds * (1 - side.Again)),
  SUM(SecondsBefore * (1 - 2 * side.Again))
FROM {work}movement_cell
CROSS JOIN (SELECT 0 AS Again UNION ALL SELECT 1) AS side
WHERE side.Again = 0 OR (Cell & 3) = 1
GROUP BY Kind
