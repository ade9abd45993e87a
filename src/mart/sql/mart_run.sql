-- The run that stands, which all other rows of the month are made from.
SELECT Month, Id
FROM {warehouse}.etl_run_published
WHERE Month = {month}
