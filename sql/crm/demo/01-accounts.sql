-- How many accounts are there, and what do they turn over?
SELECT count(*) AS accounts, round(sum(annual_revenue) / 1000000) AS millions
FROM accounts;
