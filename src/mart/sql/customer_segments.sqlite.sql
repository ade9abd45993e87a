-- Customers and their seconds by taste, most watched category, active days, band of watch time and categories watched.
-- Band: class of TotalDuration, about two to each doubling; its bounds stand in watch_time_distribution, 0 is `nothing
-- watched`. Categories: sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where its seconds are more than 0.
-- Counted in customer_cell; a cell's number says which of its segments it is.
SELECT
  {month},
  Taste,
  MostWatch,
  Cell % 32 AS ActiveDays,
  Cell / 32 % 64 AS Band,
  Cell / 2048 % 32 AS Categories,
  SUM(Users),
  SUM(Seconds)
FROM temp.customer_cell
GROUP BY Taste, MostWatch, ActiveDays, Band, Categories
