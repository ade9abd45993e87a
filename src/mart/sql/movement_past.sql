-- All customers of the month before, with Cell 3: those who lapsed are these less those who were retained, so that no
-- customer is looked up twice.
SELECT
  3 AS Cell,
  '' AS TasteBefore,
  '' AS Taste,
  0 AS Seconds,
  past.TotalDuration AS SecondsBefore
FROM {warehouse}.customer_behavior AS past
WHERE past.Month = {month_before} AND {range}
