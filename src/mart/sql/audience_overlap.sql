-- Of the customers in Audience, how many are also in Other, as the run that stands counted them. UserShare is a fraction of
-- the customers of Audience; the row with Audience = Other holds all of them.
SELECT
  run.Month,
  pair.Audience,
  pair.Other,
  pair.Users,
  COALESCE(1e0 * pair.Users / NULLIF(audience.Users, 0), 0)
FROM {warehouse}.etl_run_audience_pair AS pair
JOIN {warehouse}.etl_run_published AS run ON run.Id = pair.Run
JOIN {warehouse}.etl_run_audience AS audience ON audience.Run = pair.Run AND audience.Audience = pair.Audience
WHERE run.Month = {month}
