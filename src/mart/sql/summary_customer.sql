-- Totals of the month, from the five rows of `category_audience`: no further pass over the customers.
SELECT
  {month},
  (SELECT COALESCE(SUM(Users), 0) FROM {mart}.customer_segments WHERE Month = {month}),
  SUM(CASE Category WHEN 'Movie' THEN Seconds ELSE 0 END),
  SUM(CASE Category WHEN 'Sport' THEN Seconds ELSE 0 END),
  SUM(CASE Category WHEN 'Child' THEN Seconds ELSE 0 END),
  SUM(CASE Category WHEN 'Relax' THEN Seconds ELSE 0 END),
  SUM(CASE Category WHEN 'Tv' THEN Seconds ELSE 0 END),
  SUM(Seconds)
FROM {mart}.category_audience
WHERE Month = {month}
