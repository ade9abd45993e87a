-- Customers counted by taste, most watched category and number of active days.
-- SQLite groups by sorting, which takes several seconds for two million customers; adding each to the counter of its
-- segment takes one.
SELECT Month, Taste, MostWatch, Activeness, 1
FROM {warehouse}.customer_behavior
WHERE Month = {month}
ON CONFLICT DO UPDATE SET Users = Users + 1
