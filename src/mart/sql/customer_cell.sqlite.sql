-- SQLite groups by sorting, which takes several seconds for two million customers. Adding each of them to a counter in a
-- small table takes one, if the counter is found by a single number. That number holds the active days, the band, the
-- categories with more than 0 seconds, those with less than 0, and the place of the most watched category in a text:
-- customers with the same number have the same taste under any rules.
-- STRICT makes a sum past 64 bits an error.
DROP TABLE IF EXISTS temp.customer_cell;
CREATE TEMP TABLE customer_cell (
  Cell INTEGER PRIMARY KEY,
  Taste TEXT NOT NULL,
  MostWatch TEXT NOT NULL,
  Users INTEGER NOT NULL,
  Seconds INTEGER NOT NULL
) STRICT;
INSERT INTO temp.customer_cell (Cell, Taste, MostWatch, Users, Seconds)
SELECT
  Activeness
  + 32 * CASE
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
    END
  + 2048 * (
    (MovieDuration > 0) + 2 * (SportDuration > 0) + 4 * (ChildDuration > 0) + 8 * (RelaxDuration > 0)
    + 16 * (TvDuration > 0)
  )
  + 65536 * (
    (MovieDuration < 0) + 2 * (SportDuration < 0) + 4 * (ChildDuration < 0) + 8 * (RelaxDuration < 0)
    + 16 * (TvDuration < 0)
  )
  + 2097152 * INSTR('MovieSportChildRelaxTv', MostWatch),
  Taste,
  MostWatch,
  1,
  TotalDuration
FROM {warehouse}.customer_behavior
WHERE Month = {month}
ON CONFLICT DO UPDATE SET Users = Users + 1, Seconds = Seconds + excluded.Seconds;
