-- Customers counted by taste, most watched category and number of active days, by the set of categories that they watched
-- and by how long they watched, with their seconds: the one pass over all customers for most of the mart.
-- Categories: the sum of 1 Movie, 2 Sport, 4 Child, 8 Relax, 16 Tv, each where it has more than 0 seconds.
-- Band: the class of TotalDuration; about two to each doubling. watch_time_distribution gives the bounds.
SELECT
  Month,
  Taste,
  MostWatch,
  Activeness,
  (MovieDuration > 0) + 2 * (SportDuration > 0) + 4 * (ChildDuration > 0) + 8 * (RelaxDuration > 0) + 16 * (TvDuration > 0) AS Categories,
  CASE
    WHEN TotalDuration < 3600 THEN CASE
        WHEN TotalDuration < 1 THEN 0
        WHEN TotalDuration < 60 THEN 1
        WHEN TotalDuration < 120 THEN 2
        WHEN TotalDuration < 180 THEN 3
        WHEN TotalDuration < 300 THEN 4
        WHEN TotalDuration < 420 THEN 5
        WHEN TotalDuration < 600 THEN 6
        WHEN TotalDuration < 900 THEN 7
        WHEN TotalDuration < 1200 THEN 8
        WHEN TotalDuration < 1800 THEN 9
        WHEN TotalDuration < 2700 THEN 10
        ELSE 11 END
    WHEN TotalDuration < 86400 THEN CASE
        WHEN TotalDuration < 5400 THEN 12
        WHEN TotalDuration < 7200 THEN 13
        WHEN TotalDuration < 10800 THEN 14
        WHEN TotalDuration < 14400 THEN 15
        WHEN TotalDuration < 21600 THEN 16
        WHEN TotalDuration < 28800 THEN 17
        WHEN TotalDuration < 43200 THEN 18
        WHEN TotalDuration < 57600 THEN 19
        ELSE 20 END
    ELSE CASE
        WHEN TotalDuration < 115200 THEN 21
        WHEN TotalDuration < 172800 THEN 22
        WHEN TotalDuration < 230400 THEN 23
        WHEN TotalDuration < 345600 THEN 24
        WHEN TotalDuration < 460800 THEN 25
        WHEN TotalDuration < 691200 THEN 26
        WHEN TotalDuration < 921600 THEN 27
        WHEN TotalDuration < 1382400 THEN 28
        WHEN TotalDuration < 1843200 THEN 29
        WHEN TotalDuration < 2764800 THEN 30
        WHEN TotalDuration < 3686400 THEN 31
        ELSE 32 END
    END AS Band,
  COUNT(*),
  SUM(TotalDuration)
FROM {warehouse}.customer_behavior
WHERE Month = {month}
GROUP BY Month, Taste, MostWatch, Activeness, Categories, Band
