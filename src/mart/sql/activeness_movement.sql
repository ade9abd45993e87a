-- Customers who were there in both months, by active days in each.
SELECT {month}, BandBefore, Band, SUM(Users)
FROM (
  SELECT
    CASE (Cell >> 2) & 7 WHEN 1 THEN '1-7' WHEN 2 THEN '8-14' WHEN 3 THEN '15-21' ELSE '22-31' END AS BandBefore,
    CASE (Cell >> 15) & 7 WHEN 1 THEN '1-7' WHEN 2 THEN '8-14' WHEN 3 THEN '15-21' ELSE '22-31' END AS Band,
    Users
  FROM {work}movement_cell
  WHERE (Cell & 3) = 1 AND Users > 0
) AS moved
GROUP BY BandBefore, Band
