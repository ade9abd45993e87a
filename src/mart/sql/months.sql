-- A row for each month of which a run is recorded: the run that stands (0 for none) with its rules, customers, seconds and
-- warnings; the run that was recorded last; the run that the mart was made from (-1 for none);
-- what tells rules and inputs of the run that stands from others; whether the movement was made from the runs that stand
-- (1, 0; -1 where it was not made); runs since that ended while they published, and may have left the tables of two runs.
-- Customers are counted only where the mart does not know them.
SELECT
  recorded.Month,
  COALESCE(run.Id, 0),
  COALESCE(run.RulesName, ''),
  CASE
    WHEN run.Id IS NULL THEN 0
    WHEN mart.Run = run.Id THEN summary.TotalUser
    ELSE (SELECT COUNT(*) FROM {warehouse}.customer_behavior AS customer WHERE customer.Month = run.Month)
  END,
  (SELECT COALESCE(SUM(day.TotalDuration), 0) FROM {warehouse}.daily_activity AS day WHERE day.Month = run.Month),
  (SELECT COUNT(*) FROM {warehouse}.etl_run_warning AS warning WHERE warning.Run = run.Id),
  newest.Id,
  newest.Status,
  COALESCE(mart.Run, -1),
  COALESCE(run.RulesSha256, ''),
  COALESCE(run.InputsSha256, ''),
  CASE
    WHEN made.Run IS NULL THEN -1
    WHEN {was_made_of_standing} THEN 1
    ELSE 0
  END,
  -- Interrupted without an exit code: while it published.
  (
    SELECT COUNT(*) FROM {warehouse}.etl_run AS torn
    WHERE torn.Month = recorded.Month AND torn.Id > COALESCE(run.Id, 0) AND torn.Status = 'interrupted' AND torn.ExitCode = 0
  )
FROM (
  SELECT Month, MAX(Id) AS NewestId
  FROM {warehouse}.etl_run
  GROUP BY Month
) AS recorded
JOIN {warehouse}.etl_run AS newest ON newest.Id = recorded.NewestId
LEFT JOIN {warehouse}.etl_run_published AS run ON run.Month = recorded.Month
LEFT JOIN {mart}.mart_run AS mart ON mart.Month = recorded.Month
LEFT JOIN {mart}.movement_run AS made ON made.Month = recorded.Month
LEFT JOIN {mart}.summary_customer AS summary ON summary.Month = recorded.Month
ORDER BY recorded.Month
