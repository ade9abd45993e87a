-- Of the customers who watch Category (more than 0 s), how many also watch Other.
-- UserShare is a fraction of the customers of Category; the row with Category = Other holds all of them.
WITH category (Category, Bit) AS (
  SELECT 'Movie', 1
  UNION ALL SELECT 'Sport', 2
  UNION ALL SELECT 'Child', 4
  UNION ALL SELECT 'Relax', 8
  UNION ALL SELECT 'Tv', 16
), combination AS (
  SELECT Categories, SUM(Users) AS Users
  FROM {mart}.customer_segments
  WHERE Month = {month}
  GROUP BY Categories
), pair AS (
  SELECT
    category.Category,
    other.Category AS Other,
    COALESCE(SUM(combination.Users), 0) AS Users
  FROM category
  CROSS JOIN category AS other
  LEFT JOIN combination
    ON (combination.Categories & category.Bit) > 0 AND (combination.Categories & other.Bit) > 0
  GROUP BY category.Category, other.Category
)
SELECT
  {month},
  pair.Category,
  pair.Other,
  pair.Users,
  COALESCE(1e0 * pair.Users / NULLIF(viewers.Users, 0), 0)
FROM pair
JOIN pair AS viewers ON viewers.Category = pair.Category AND viewers.Other = pair.Category
