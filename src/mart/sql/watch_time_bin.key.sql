-- The bin of watch time in which a customer stands: an hour wide from 64 h on, ten minutes from 1 h on, else a second.
-- No bin reaches over the bounds of watch_time_distribution.
  TotalDuration - TotalDuration % CASE WHEN TotalDuration >= 230400 THEN 3600 WHEN TotalDuration >= 3600 THEN 600 ELSE 1 END
