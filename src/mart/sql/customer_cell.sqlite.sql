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
  + 32 * {band}
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
