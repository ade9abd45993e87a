-- Customers by number of active days.
SELECT segment.Month, segment.ActiveDays, SUM(segment.Users), SUM(segment.Users) * 1e0 / MAX(summary.TotalUser)
FROM {mart}.customer_segments AS segment
JOIN {mart}.summary_customer AS summary ON summary.Month = segment.Month
WHERE segment.Month = {month}
GROUP BY segment.Month, segment.ActiveDays
