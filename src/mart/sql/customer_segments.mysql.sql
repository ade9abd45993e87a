-- Customers counted by taste, most watched category and number of active days.
SELECT Month, Taste, MostWatch, Activeness, COUNT(*)
FROM {warehouse}.customer_behavior
WHERE Month = {month}
GROUP BY Month, Taste, MostWatch, Activeness
