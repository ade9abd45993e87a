-- Customers counted by taste, most watched category and number of active days, and by the set of categories that they
-- watched, with their seconds.
-- Categories: the sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where it has more than 0 seconds.
SELECT {month}, Taste, MostWatch, ActiveDays, Categories, SUM(Users), SUM(Seconds)
FROM (
  SELECT
    Taste,
    CASE Cell >> 15
      WHEN 1 THEN 'Movie'
      WHEN 2 THEN 'Sport'
      WHEN 3 THEN 'Child'
      WHEN 4 THEN 'Relax'
      WHEN 5 THEN 'Tv'
      ELSE 'No'
    END AS MostWatch,
    Cell & 31 AS ActiveDays,
    (Cell >> 5) & 31 AS Categories,
    Users,
    Seconds
  FROM {work}customer_cell
) AS cell
GROUP BY Taste, MostWatch, ActiveDays, Categories
