-- Customers by what became of them since the month before, with their seconds in both months. A kind without a customer
-- has a row too.
SELECT
  {month},
  CASE Cell & 3 WHEN 0 THEN 'new' WHEN 1 THEN 'retained' WHEN 2 THEN 'returned' ELSE 'lapsed' END AS Kind,
  SUM(Users),
  SUM(Seconds),
  SUM(SecondsBefore)
FROM {work}movement_cell
GROUP BY Kind
