-- What the database's own rights give to the CRM's people. Wide where Celador has to hold by
-- itself: views, definer functions and partitions are granted too.
GRANT USAGE ON SCHEMA crm TO crm_user, crm_pool;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crm TO crm_user, crm_pool;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA crm TO crm_user, crm_pool;

-- The audit log is written by a trigger, with its owner's rights.
REVOKE INSERT ON crm.audit_log FROM crm_user, crm_pool;

-- Whoever handles a ticket doesn't say whose it is: that would open another contact.
REVOKE UPDATE ON crm.tickets FROM crm_user, crm_pool;
GRANT UPDATE (subject, body, internal_note, status) ON crm.tickets TO crm_user, crm_pool;
GRANT UPDATE ON crm.tickets TO adam;

-- The application's pool says for whom it asks.
GRANT EXECUTE ON FUNCTION celador.act_as(text) TO crm_pool;
