//! Tests of the policy as a whole: documents, checks, access, generated SQL.

mod bad_input;
mod cell_change;
mod cells;
mod circles;
mod concerned;
mod deciding;
mod design;
mod desk;
mod difference;
mod discovered;
mod fields;
mod holding;
mod levels;
mod lint;
mod matrix;
mod placing;
mod reached;
mod reference;
mod rules_page;
mod s3_7;
mod schema_text;
mod sql;
mod told;
mod world;
mod x_3;
