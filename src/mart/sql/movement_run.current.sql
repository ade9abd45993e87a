made.Run = (SELECT COALESCE(MAX(run.Id), 0) FROM {warehouse}.etl_run_published AS run WHERE run.Month <= made.Month)
AND made.Runs = (SELECT COUNT(*) FROM {warehouse}.etl_run_published AS run WHERE run.Month <= made.Month)
