-- The audiences with a name, as the run that stands measured them. UserShare is a fraction of all customers.
SELECT
  run.Month,
  audience.Audience,
  audience.Users,
  audience.Seconds,
  COALESCE(1e0 * audience.Users / NULLIF(total.Users, 0), 0)
FROM {warehouse}.etl_run_audience AS audience
JOIN {warehouse}.etl_run_published AS run ON run.Id = audience.Run
CROSS JOIN (SELECT SUM(Users) AS Users FROM {work}customer_cell) AS total
WHERE run.Month = {month}
