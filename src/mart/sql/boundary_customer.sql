-- The customers who have to be looked at one by one: those in the bins of watch_time_rank, all who may be among the hundred
-- with the most seconds, and all who may be among the ten with the most of those who are no shared account. Ten cells have
-- one of these with as many seconds as the tenth of them, so that nobody with less is among the ten. The bins below an hour
-- are a second wide: who stands there needs no second look.
SELECT Contract, TotalDuration, Taste, Activeness
FROM {warehouse}.customer_behavior
WHERE Month = {month}
  AND (
    TotalDuration >= (SELECT FromSeconds FROM {work}watch_time_rank WHERE Mark = 100)
    OR TotalDuration <= 86400 * Activeness
    AND TotalDuration >= COALESCE(
      (
        SELECT UnsharedSeconds FROM {work}customer_cell
        WHERE UnsharedSeconds >= 0 ORDER BY UnsharedSeconds DESC LIMIT 1 OFFSET 9
      ),
      -9223372036854775807
    )
    OR TotalDuration >= 3600
    AND (
      TotalDuration >= (SELECT FromSeconds FROM {work}watch_time_rank WHERE Mark = 50)
      AND TotalDuration <= (SELECT LastSeconds FROM {work}watch_time_rank WHERE Mark = 50)
      OR TotalDuration >= (SELECT FromSeconds FROM {work}watch_time_rank WHERE Mark = 90)
      AND TotalDuration <= (SELECT LastSeconds FROM {work}watch_time_rank WHERE Mark = 90)
      OR TotalDuration >= (SELECT FromSeconds FROM {work}watch_time_rank WHERE Mark = 99)
      AND TotalDuration <= (SELECT LastSeconds FROM {work}watch_time_rank WHERE Mark = 99)
      OR TotalDuration >= (SELECT FromSeconds FROM {work}watch_time_rank WHERE Mark = 0)
      AND TotalDuration <= (SELECT LastSeconds FROM {work}watch_time_rank WHERE Mark = 0)
    )
  )
