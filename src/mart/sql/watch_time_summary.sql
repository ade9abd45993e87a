-- Quantiles of TotalDuration over customers and the part of the heaviest tenth.
-- A quantile is the value at the nearest rank: the smallest number of seconds that at least this share of the customers
-- do not exceed. The heaviest tenth is the tenth of the customers, rounded up, with the most seconds.
-- Only the bands in which a wanted place lies are read again.
WITH band AS (
    SELECT
        Band, FromSeconds, ToSeconds, Users, Seconds,
        SUM(Users) OVER (ORDER BY Band) AS UpTo,
        SUM(Users) OVER () AS AllUsers,
        SUM(Seconds) OVER () AS AllSeconds,
        SUM(Seconds) OVER (ORDER BY Band DESC) - Seconds AS SecondsAbove
    FROM {mart}.watch_time_distribution
    WHERE Month = {month}
), whole AS (
    SELECT AllUsers AS Users, AllSeconds AS Seconds, (AllUsers + 9 - (AllUsers + 9) % 10) / 10 AS Tenth
    FROM band
    WHERE Band = 0
), wanted AS (
    SELECT 50 AS Mark, (50 * Users + 99 - (50 * Users + 99) % 100) / 100 AS Place FROM whole
    UNION ALL SELECT 90, (90 * Users + 99 - (90 * Users + 99) % 100) / 100 FROM whole
    UNION ALL SELECT 99, (99 * Users + 99 - (99 * Users + 99) % 100) / 100 FROM whole
    UNION ALL SELECT 0, Users - Tenth + 1 FROM whole
), located AS (
    SELECT
        wanted.Mark, wanted.Place, band.FromSeconds, band.ToSeconds,
        band.UpTo - band.Users AS Below, band.AllUsers - band.UpTo AS Above, band.SecondsAbove
    FROM wanted
    JOIN band ON wanted.Place > band.UpTo - band.Users AND wanted.Place <= band.UpTo
), customer AS (
    SELECT TotalDuration AS Seconds, COUNT(*) AS Users
    FROM {warehouse}.customer_behavior
    WHERE Month = {month}
        AND (
            TotalDuration >= (SELECT FromSeconds FROM located WHERE Mark = 50)
            AND TotalDuration < (SELECT ToSeconds FROM located WHERE Mark = 50)
            OR TotalDuration >= (SELECT FromSeconds FROM located WHERE Mark = 90)
            AND TotalDuration < (SELECT ToSeconds FROM located WHERE Mark = 90)
            OR TotalDuration >= (SELECT FromSeconds FROM located WHERE Mark = 99)
            AND TotalDuration < (SELECT ToSeconds FROM located WHERE Mark = 99)
            OR TotalDuration >= (SELECT FromSeconds FROM located WHERE Mark = 0)
            AND TotalDuration < (SELECT ToSeconds FROM located WHERE Mark = 0)
        )
    GROUP BY TotalDuration
), placed AS (
    SELECT
        located.Mark, located.Place, customer.Seconds,
        located.Below + SUM(customer.Users) OVER (PARTITION BY located.Mark ORDER BY customer.Seconds) AS UpTo,
        located.Above + SUM(customer.Users) OVER (PARTITION BY located.Mark ORDER BY customer.Seconds DESC)
            - customer.Users AS UsersAbove,
        located.SecondsAbove
            + SUM(customer.Seconds * customer.Users) OVER (PARTITION BY located.Mark ORDER BY customer.Seconds DESC)
            - customer.Seconds * customer.Users AS SecondsAbove
    FROM located
    JOIN customer
        ON customer.Seconds >= located.FromSeconds
        AND customer.Seconds < located.ToSeconds
), found AS (
    SELECT
        Mark, Seconds, UsersAbove, SecondsAbove,
        ROW_NUMBER() OVER (PARTITION BY Mark ORDER BY Seconds) AS Nth
    FROM placed
    WHERE UpTo >= Place
), answer AS (
    -- One pass: SQLite expands a common table wherever it is named and gives up at a thousand.
    SELECT
        MAX(whole.Users) AS Users,
        MAX(whole.Seconds) AS Seconds,
        COALESCE(MAX(CASE WHEN found.Mark = 50 THEN found.Seconds END), 0) AS MedianSeconds,
        COALESCE(MAX(CASE WHEN found.Mark = 90 THEN found.Seconds END), 0) AS P90Seconds,
        COALESCE(MAX(CASE WHEN found.Mark = 99 THEN found.Seconds END), 0) AS P99Seconds,
        MAX(whole.Tenth) AS TopTenthUsers,
        COALESCE(MAX(CASE
            WHEN found.Mark = 0 THEN found.SecondsAbove + (whole.Tenth - found.UsersAbove) * found.Seconds
        END), 0) AS TopTenthSeconds
    FROM whole
    LEFT JOIN found ON found.Nth = 1
)
SELECT
    {month}, Users, Seconds, MedianSeconds, P90Seconds, P99Seconds, TopTenthUsers, TopTenthSeconds,
    COALESCE(1e0 * TopTenthSeconds / NULLIF(Seconds, 0), 0)
FROM answer
