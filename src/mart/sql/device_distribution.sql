-- Customers by number of devices, of a month whose devices were counted. UserShare is a fraction of all customers.
SELECT device.Month, device.Band, COUNT(*), COALESCE(COUNT(*) * 1e0 / NULLIF(MAX(total.Users), 0), 0), SUM(device.Devices)
FROM (
  SELECT
    Month,
    Devices,
    CASE
      WHEN Devices >= 100 THEN '100+'
      WHEN Devices >= 10 THEN '10-99'
      WHEN Devices >= 5 THEN '5-9'
      WHEN Devices = 4 THEN '4'
      WHEN Devices = 3 THEN '3'
      WHEN Devices = 2 THEN '2'
      WHEN Devices = 1 THEN '1'
      ELSE '0'
    END AS Band
  FROM {warehouse}.customer_devices
  WHERE Month = {month}
) AS device
CROSS JOIN (SELECT SUM(Users) AS Users FROM {work}customer_cell) AS total
GROUP BY device.Month, device.Band
