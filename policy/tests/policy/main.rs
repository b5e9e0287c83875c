//! Tests of the policy as a whole: documents, checks, access, generated SQL.

mod design;
mod desk;
mod reached;
mod reference;
mod s3_7;
mod schema_text;
mod sql;
mod told;
mod world;
mod x_3;
