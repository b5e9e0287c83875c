-- People and groups of the benchmark. psql's variables: users, groups; division, office, team: how
-- many people are in each.
--
-- Persons have the numbers 1 to :users, and the director the next one. A division of numbers begins
-- with its vice president, an office in it with a regional manager, a team in that with its lead.
CREATE TABLE users (id int PRIMARY KEY, login text NOT NULL UNIQUE, boss_id int, active boolean NOT NULL);
CREATE TABLE groups (id int PRIMARY KEY, name text NOT NULL, parent_id int);
CREATE TABLE members (user_id int, group_id int, PRIMARY KEY (user_id, group_id));
CREATE TABLE roles (user_id int, role text, PRIMARY KEY (user_id, role));
-- Everybody with all above, and with oneself: for those who write their own policies.
CREATE TABLE supervision (boss_id int, user_id int, PRIMARY KEY (boss_id, user_id));
CREATE TABLE group_tree (ancestor_id int, group_id int, PRIMARY KEY (ancestor_id, group_id));

-- The number above in such a tree; `at` counts from 0.
CREATE FUNCTION pg_temp.above(at int, total int, division int, office int, team int) RETURNS int
  LANGUAGE sql IMMUTABLE RETURN
  CASE WHEN at % division = 0 THEN total + 1
       WHEN at % division % office = 0 THEN at - at % division + 1
       WHEN at % division % office % team = 0 THEN at - at % division % office + 1
       ELSE at - at % division % office % team + 1 END;

INSERT INTO users SELECT i, 'user' || i, pg_temp.above(i - 1, :users, :division, :office, :team), true
  FROM generate_series(1, :users) AS i;
INSERT INTO users VALUES (:users + 1, 'director', NULL, true);
-- The tree of groups has the same shape, with as many people to a group as there are for one.
INSERT INTO groups SELECT i, 'Group ' || i,
    pg_temp.above(i - 1, :groups, :division * :groups / :users, :office * :groups / :users,
                  :team * :groups / :users)
  FROM generate_series(1, :groups) AS i;
INSERT INTO groups VALUES (:groups + 1, 'All', NULL);
INSERT INTO members SELECT i, (i - 1) / (:users / :groups) + 1 FROM generate_series(1, :users) AS i;
INSERT INTO members VALUES (:users + 1, :groups + 1);
INSERT INTO roles
  SELECT i, (ARRAY['seller', 'territory', 'partner', 'support'])[(i - 1) / :division % 4 + 1]
  FROM generate_series(1, :users) AS i;
INSERT INTO roles VALUES (:users + 1, 'director');

INSERT INTO supervision
  WITH RECURSIVE above AS (
    SELECT id AS boss_id, id AS user_id FROM users
    UNION ALL
    SELECT u.boss_id, a.user_id FROM above AS a JOIN users AS u ON u.id = a.boss_id
    WHERE u.boss_id IS NOT NULL)
  SELECT * FROM above;
INSERT INTO group_tree
  WITH RECURSIVE above AS (
    SELECT id AS ancestor_id, id AS group_id FROM groups
    UNION ALL
    SELECT g.parent_id, a.group_id FROM above AS a JOIN groups AS g ON g.id = a.ancestor_id
    WHERE g.parent_id IS NOT NULL)
  SELECT * FROM above;

CREATE INDEX ON users (boss_id);
CREATE INDEX ON groups (parent_id);
CREATE INDEX ON members (group_id);
CREATE INDEX ON group_tree (group_id);
CREATE INDEX ON supervision (user_id);
