-- Customers by thin bins of watch time, with their seconds; counted as in customer_cell.
CREATE TEMP TABLE watch_time_bin (
  FromSeconds INTEGER PRIMARY KEY,
  Users INTEGER NOT NULL,
  Seconds INTEGER NOT NULL
) STRICT;
INSERT INTO temp.watch_time_bin
SELECT
  {bin},
  1,
  TotalDuration
FROM {warehouse}.customer_behavior
WHERE Month = {month} AND {range}
ON CONFLICT DO UPDATE SET Users = Users + 1, Seconds = Seconds + excluded.Seconds;
