-- What is open, by stage?
SELECT stage, count(*) AS deals, sum(amount) AS amount
FROM opportunities
WHERE stage NOT IN ('won', 'lost')
GROUP BY stage
ORDER BY stage;
