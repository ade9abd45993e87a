-- Customers of the month, counted by what became of them, and all of the month before. A kind without a customer has a row
-- too.
SELECT {part}, 0, '', '', 0, 0, 0
UNION ALL SELECT {part}, 1, '', '', 0, 0, 0
UNION ALL SELECT {part}, 2, '', '', 0, 0, 0
UNION ALL
SELECT {part}, Cell, MIN(TasteBefore), MIN(Taste), COUNT(*), SUM(Seconds), SUM(SecondsBefore)
FROM (
{present}
) AS moved
GROUP BY Cell
UNION ALL
SELECT {part}, 3, '', '', COUNT(*), 0, COALESCE(SUM(SecondsBefore), 0)
FROM (
{past}
) AS past_month
