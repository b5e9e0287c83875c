//! The matrix as people look at it: a table and a picture.

mod depth;
mod picture;
mod svg;
mod table;

pub use depth::Depth;
pub use picture::{PicturedGroup, picture};
pub use table::{Line, lines};
