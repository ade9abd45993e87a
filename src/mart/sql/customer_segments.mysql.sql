-- Customers and their seconds by taste, most watched category, active days, band of watch time and categories watched.
-- Band: class of TotalDuration, about two to each doubling; its bounds stand in watch_time_distribution, 0 is `nothing
-- watched`. Categories: sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where its seconds are more than 0.
SELECT {month}, Taste, MostWatch, Activeness, Band, Categories, COUNT(*), SUM(TotalDuration)
FROM (
  SELECT
    Taste,
    MostWatch,
    Activeness,
    {band} AS Band,
    (MovieDuration > 0) + 2 * (SportDuration > 0) + 4 * (ChildDuration > 0) + 8 * (RelaxDuration > 0)
    + 16 * (TvDuration > 0) AS Categories,
    TotalDuration
  FROM {warehouse}.customer_behavior
  WHERE Month = {month}
) AS customer
GROUP BY Taste, MostWatch, Activeness, Band, Categories
