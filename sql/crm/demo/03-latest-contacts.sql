-- Which contacts came last, and where do they work?
SELECT c.full_name AS contact, a.name AS account
FROM contacts c LEFT JOIN accounts a ON a.id = c.account_id
ORDER BY c.created_at DESC, c.id DESC
LIMIT 5;
