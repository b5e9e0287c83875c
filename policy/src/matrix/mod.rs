//! The matrix as people look at it: a table and a picture.

mod depth;
mod fields;
mod picture;
mod svg;
mod table;

pub use depth::Depth;
pub use fields::{FieldLine, field_lines};
pub use picture::{PicturedGroup, picture};
pub use table::{Line, lines};
