-- Customers counted by taste, most watched category and number of active days, by the set of categories that they watched
-- and by how long they watched, with their seconds: the one pass over all customers for most of the mart.
-- Categories: the sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where it has more than 0 seconds.
-- Band: the class of TotalDuration; about two to each doubling. watch_time_distribution gives the bounds.
-- The customers were counted in customer_cell; the number of a cell says which segment it belongs to.
SELECT
  {month},
  Taste,
  MostWatch,
  Cell % 32 AS ActiveDays,
  Cell / 2048 % 32 AS Categories,
  Cell / 32 % 64 AS Band,
  SUM(Users),
  SUM(Seconds)
FROM temp.customer_cell
GROUP BY Taste, MostWatch, ActiveDays, Categories, Band
