-- Records and seconds by app, from the run that stands: all apps in a category, and of the others the thousand with the
-- most records, ties by name.
SELECT Month, App, Category, Records, Seconds
FROM (
  SELECT
    run.Month,
    app.App,
    app.Category,
    app.Records,
    app.Seconds,
    ROW_NUMBER() OVER (
      PARTITION BY CASE WHEN app.Category = '' THEN 1 ELSE 0 END
      ORDER BY app.Records DESC, app.App
    ) AS Place
  FROM {warehouse}.etl_run_app AS app
  JOIN {warehouse}.etl_run_published AS run ON run.Id = app.Run
  WHERE run.Month = {month}
) AS ranked
WHERE Category <> '' OR Place <= 1000
