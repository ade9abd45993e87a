-- Customers of the month and of the month before, counted by what became of them. A kind without a customer has a row too.
SELECT {part}, 0, '', '', 0, 0, 0
UNION ALL SELECT {part}, 1, '', '', 0, 0, 0
UNION ALL SELECT {part}, 2, '', '', 0, 0, 0
UNION ALL SELECT {part}, 3, '', '', 0, 0, 0
UNION ALL
SELECT {part}, Cell, MIN(TasteBefore), MIN(Taste), COUNT(*), SUM(Seconds), SUM(SecondsBefore)
FROM (
{present}
) AS moved
GROUP BY Cell
UNION ALL
SELECT {part}, Cell, MIN(TasteBefore), MIN(Taste), COUNT(*), SUM(Seconds), SUM(SecondsBefore)
FROM (
{lapsed}
) AS gone
GROUP BY Cell
