-- A help desk as Rails applications are: plural names, *_id, *_type, foreign keys for some of them,
-- and a tenant on every table.
CREATE TABLE accounts (id bigserial PRIMARY KEY, name text NOT NULL, locale integer, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, encrypted_password text NOT NULL DEFAULT '', name text NOT NULL, sign_in_count integer NOT NULL DEFAULT 0, active boolean NOT NULL DEFAULT true, manager_id bigint REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE account_users (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, user_id bigint NOT NULL REFERENCES users, role integer NOT NULL DEFAULT 0, created_at timestamp NOT NULL, updated_at timestamp NOT NULL, UNIQUE (account_id, user_id));
CREATE TABLE teams (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, name text NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE team_members (id bigserial PRIMARY KEY, team_id bigint NOT NULL REFERENCES teams, user_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL, UNIQUE (team_id, user_id));
CREATE TABLE roles (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE permissions_roles (role_id bigint NOT NULL REFERENCES roles, permission text NOT NULL);
CREATE TABLE roles_users (user_id bigint NOT NULL REFERENCES users, role_id bigint NOT NULL REFERENCES roles, PRIMARY KEY (user_id, role_id));
CREATE TABLE companies (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, name text NOT NULL, domain text, owner_id bigint REFERENCES users, created_by_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE contacts (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, company_id bigint REFERENCES companies, name text, email text, phone_number text, blocked boolean NOT NULL DEFAULT false, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE inboxes (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, name text NOT NULL, channel_type text, channel_id bigint, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE inbox_members (id bigserial PRIMARY KEY, inbox_id bigint NOT NULL REFERENCES inboxes, user_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL, UNIQUE (inbox_id, user_id));
CREATE TABLE conversations (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, inbox_id bigint NOT NULL REFERENCES inboxes, contact_id bigint NOT NULL REFERENCES contacts, assignee_id bigint REFERENCES users, team_id bigint REFERENCES teams, status integer NOT NULL DEFAULT 0, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE messages (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, conversation_id bigint NOT NULL REFERENCES conversations, content text, sender_type text, sender_id bigint, private boolean NOT NULL DEFAULT false, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE conversation_participants (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, conversation_id bigint NOT NULL REFERENCES conversations, user_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL, UNIQUE (user_id, conversation_id));
CREATE TABLE tickets (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, team_id bigint REFERENCES teams, owner_id bigint NOT NULL REFERENCES users, customer_id bigint NOT NULL, approved_by_id bigint REFERENCES users, title text NOT NULL, created_by_id bigint NOT NULL REFERENCES users, updated_by_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE ticket_articles (id bigserial PRIMARY KEY, ticket_id bigint NOT NULL REFERENCES tickets, body text NOT NULL, created_by_id bigint NOT NULL REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE ticket_time_entries (id bigserial PRIMARY KEY, ticket_id bigint NOT NULL REFERENCES tickets ON DELETE CASCADE, minutes integer NOT NULL, created_at timestamp NOT NULL);
CREATE TABLE ticket_states (id bigserial PRIMARY KEY, name text NOT NULL, active boolean NOT NULL);
CREATE TABLE deals (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, company_id bigint REFERENCES companies, owner_id bigint REFERENCES users, team_id bigint REFERENCES teams, name text NOT NULL, amount_cents bigint, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE deal_line_items (id bigserial PRIMARY KEY, deal_id bigint NOT NULL REFERENCES deals, product_id bigint, quantity integer NOT NULL);
CREATE TABLE notes (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, user_id bigint REFERENCES users, contact_id bigint NOT NULL REFERENCES contacts, content text NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE attachments (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, record_type text NOT NULL, record_id bigint NOT NULL, file_name text NOT NULL, created_at timestamp NOT NULL);
CREATE TABLE canned_responses (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, short_code text, content text, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE automation_rules (id bigserial PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, name text NOT NULL, conditions jsonb NOT NULL, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
CREATE TABLE access_tokens (id bigserial PRIMARY KEY, owner_type text, owner_id bigint, token text, created_at timestamp NOT NULL);
CREATE TABLE audits (id bigserial PRIMARY KEY, auditable_type text, auditable_id bigint, user_id bigint REFERENCES users, action text, audited_changes jsonb, created_at timestamp NOT NULL);
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE delayed_jobs (id bigserial PRIMARY KEY, handler text NOT NULL, run_at timestamp, locked_by text);
CREATE TABLE schema_migrations (version text PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key text PRIMARY KEY, value text);
INSERT INTO accounts VALUES (1, 'Desk', 0, now(), now());
INSERT INTO roles (name) VALUES ('Admin'), ('Agent'), ('Something');
INSERT INTO attachments (account_id, record_type, record_id, file_name, created_at)
  VALUES (1, 'Ticket', 1, 'a', now()), (1, 'Contact', 1, 'b', now()), (1, 'Deal', 1, 'c', now());
INSERT INTO users (email, name, created_at, updated_at) VALUES ('ann@desk.test', 'Ann', now(), now());
INSERT INTO account_users (account_id, user_id, role, created_at, updated_at) VALUES (1, 1, 0, now(), now());
