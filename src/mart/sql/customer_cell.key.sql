-- The active days, the categories with more than 0 seconds, those with less than 0, and the most watched category in one
-- number: customers with the same number have the same taste under any rules. Servers group by a number several times
-- faster than by texts.
  Activeness
  + 32 * (
    (MovieDuration > 0) + 2 * (SportDuration > 0) + 4 * (ChildDuration > 0) + 8 * (RelaxDuration > 0)
    + 16 * (TvDuration > 0)
  )
  + 1024 * CASE
    -- The sign bit of all five at once: hardly anybody has it set.
    WHEN ((MovieDuration | SportDuration | ChildDuration | RelaxDuration | TvDuration) >> 63) = 0 THEN 0
    ELSE (MovieDuration < 0) + 2 * (SportDuration < 0) + 4 * (ChildDuration < 0) + 8 * (RelaxDuration < 0)
      + 16 * (TvDuration < 0)
    END
  + 32768 * CASE MostWatch
    WHEN 'Tv' THEN 5
    WHEN 'Movie' THEN 1
    WHEN 'Child' THEN 3
    WHEN 'Relax' THEN 4
    WHEN 'Sport' THEN 2
    ELSE 0 END
