-- The band of active days (1 for 1-7, 2 for 8-14, 3 for 15-21, 4 for 22-31), the categories with more than 0 seconds and
-- those with less in one number: customers of a month with the same number have the same taste under any rules.
(
    CASE
      WHEN {row}.Activeness <= 7 THEN 1
      WHEN {row}.Activeness <= 14 THEN 2
      WHEN {row}.Activeness <= 21 THEN 3
      ELSE 4
    END
    + 8 * (
      ({row}.MovieDuration > 0) + 2 * ({row}.SportDuration > 0) + 4 * ({row}.ChildDuration > 0)
      + 8 * ({row}.RelaxDuration > 0) + 16 * ({row}.TvDuration > 0)
    )
    + 256 * (
      ({row}.MovieDuration < 0) + 2 * ({row}.SportDuration < 0) + 4 * ({row}.ChildDuration < 0)
      + 8 * ({row}.RelaxDuration < 0) + 16 * ({row}.TvDuration < 0)
    )
  )
