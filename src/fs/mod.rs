//! Files as the program writes them: aside, forced to disk, renamed; and the thread that sends them to the disk meanwhile.

pub mod atomic;
pub mod error;
pub mod flush;
pub mod lock;
pub mod part;
pub mod target;
