-- What has been quoted most?
SELECT p.name AS product, sum(l.line_total) AS quoted
FROM quotes q
JOIN quote_lines l ON l.quote_id = q.id
JOIN products p ON p.id = l.product_id
WHERE q.status IN ('sent', 'accepted')
GROUP BY p.id, p.name
ORDER BY quoted DESC, p.id
LIMIT 5;
