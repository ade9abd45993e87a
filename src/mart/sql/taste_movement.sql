-- Customers who were there in both months, by taste in each.
SELECT {month}, TasteBefore, Taste, SUM(Users)
FROM {work}movement_cell
WHERE (Cell & 3) = 1 AND Users > 0
GROUP BY TasteBefore, Taste
