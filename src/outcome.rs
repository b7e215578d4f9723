//! The outcome room.
