-- How many tickets are there, by status?
SELECT status, count(*) AS tickets
FROM tickets
GROUP BY status
ORDER BY status;
