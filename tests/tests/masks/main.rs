//! Fields: inside every statement a column is what whoever asks sees of it.

mod faults;
mod functions;
mod reads;
mod renderings;
mod rights;
mod shop;
mod tags;
mod writes;
