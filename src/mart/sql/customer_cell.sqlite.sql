-- Customers counted by what tells them apart in most of the mart, with their seconds. SQLite groups by sorting, which
-- takes three times as long as adding each customer to a counter that is found by a number.
-- STRICT makes a sum past 64 bits an error.
CREATE TEMP TABLE customer_cell (
  Cell INTEGER PRIMARY KEY,
  Taste TEXT NOT NULL,
  Users INTEGER NOT NULL,
  Seconds INTEGER NOT NULL,
  MovieSeconds INTEGER NOT NULL,
  SportSeconds INTEGER NOT NULL,
  ChildSeconds INTEGER NOT NULL,
  RelaxSeconds INTEGER NOT NULL,
  TvSeconds INTEGER NOT NULL,
  UnsharedSeconds INTEGER NOT NULL
) STRICT;
INSERT INTO temp.customer_cell
SELECT
  {cell},
  Taste,
  1,
  TotalDuration,
  MovieDuration,
  SportDuration,
  ChildDuration,
  RelaxDuration,
  TvDuration,
  CASE WHEN TotalDuration <= 86400 * Activeness THEN TotalDuration ELSE -1 END
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
ON CONFLICT DO UPDATE SET
  -- One that is another than those before is of no use, and the check of the month says so.
  Taste = CASE WHEN Taste = excluded.Taste THEN Taste ELSE '' END,
  Users = Users + 1,
  Seconds = Seconds + excluded.Seconds,
  MovieSeconds = MovieSeconds + excluded.MovieSeconds,
  SportSeconds = SportSeconds + excluded.SportSeconds,
  ChildSeconds = ChildSeconds + excluded.ChildSeconds,
  RelaxSeconds = RelaxSeconds + excluded.RelaxSeconds,
  TvSeconds = TvSeconds + excluded.TvSeconds,
  UnsharedSeconds = MAX(UnsharedSeconds, excluded.UnsharedSeconds);
